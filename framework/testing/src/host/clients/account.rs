//! Accounts, their credentials and their bound resources.

use crate::host::ids;
use std::sync::{Arc, OnceLock};

use jid::{BareJid, Jid};

use super::roster::Roster;
use super::scram::{Hash, Keys};
use crate::host::refusal;
use crate::host::state::{Shared, State};
use crate::host::write_buffer::WriteBuffer;
use campanile::connection::Secret;
use campanile::stanza::Stanza;

/// Maximum number of recipients of directed presence that are remembered, to be sent unavailable
/// presence when the client leaves.
const DIRECTED: usize = 100;

/// An account that clients can log in to.
pub(in crate::host) struct Account {
    pub(super) login: Arc<Login>,
    pub(super) roster: Roster,
    pub(in crate::host) resources: Vec<Resource>,
}

/// Credentials of an account.
pub(super) struct Login {
    pub(super) password: Secret,
    salt: Vec<u8>,
    keys: [OnceLock<Keys>; 2],
}

/// A bound resource: one client of an account.
pub(in crate::host) struct Resource {
    pub(super) jid: Jid,
    pub(in crate::host) stream: Arc<WriteBuffer>,
    /// The client has requested the roster and receives roster pushes.
    pub(super) interested: bool,
    /// Last broadcast presence, while the resource is available.
    pub(super) presence: Option<Stanza>,
    directed: Vec<Jid>,
}

impl Account {
    pub(in crate::host) fn new(password: Secret, salt: &str) -> Self {
        let login = Login {
            password,
            salt: salt.as_bytes().to_vec(),
            keys: Default::default(),
        };
        Self {
            login: Arc::new(login),
            roster: Roster::default(),
            resources: Vec::new(),
        }
    }

    pub(super) fn resource(&mut self, jid: &Jid) -> Option<&mut Resource> {
        self.resources
            .iter_mut()
            .find(|resource| resource.jid == *jid)
    }
}

impl Login {
    /// Returns the SCRAM keys, derived on first use because derivation is slow.
    pub(super) fn keys(&self, hash: Hash) -> Keys {
        let derived = &self.keys[usize::from(hash == Hash::Sha256)];
        derived
            .get_or_init(|| hash.keys(self.password.reveal(), &self.salt))
            .clone()
    }
}

impl Resource {
    /// Returns the priority (RFC 6121 §4.7.2.3), or `None` while the resource is unavailable.
    pub(super) fn priority(&self) -> Option<i8> {
        let presence = self.presence.as_ref()?;
        let priority = presence.children().find("jabber:client", "priority");
        Some(
            priority
                .and_then(|priority| priority.text().trim().parse().ok())
                .unwrap_or(0),
        )
    }

    /// Records that directed presence was sent to an address, or withdrawn.
    pub(super) fn directed(&mut self, to: &Jid, available: bool) {
        self.directed.retain(|other| other != to);
        if available && self.directed.len() < DIRECTED {
            self.directed.push(to.clone());
        }
    }

    pub(super) fn take_directed(&mut self) -> Vec<Jid> {
        std::mem::take(&mut self.directed)
    }
}

impl Shared {
    pub(super) fn login(&self, account: &BareJid) -> Option<Arc<Login>> {
        self.state()
            .accounts
            .get(account)
            .map(|account| Arc::clone(&account.login))
    }

    /// Binds a resource (RFC 6120 §7), the requested one if it is free.
    pub(super) fn bind(
        &self,
        account: &BareJid,
        wish: Option<&str>,
        stream: &Arc<WriteBuffer>,
    ) -> Option<Jid> {
        let made = || account.with_resource_str(&ids::fresh()).ok();
        let mut state = self.state();
        let wished = wish.and_then(|wish| account.with_resource_str(wish).ok());
        let free = wished.filter(|jid| state.online(&jid.clone().into()).is_empty());
        let jid: Jid = free.or_else(made)?.into();
        let mut old = None;
        state.opened(stream);
        if let Some(account) = state.accounts.get_mut(account) {
            let at = account
                .resources
                .iter()
                .position(|resource| resource.jid == jid);
            old = at.map(|at| account.resources.remove(at));
            let stream = Arc::clone(stream);
            let resource = Resource {
                jid: jid.clone(),
                stream,
                interested: false,
                presence: None,
                directed: Vec::new(),
            };
            account.resources.push(resource);
        }
        drop(state);
        if let Some(old) = old {
            // As in Prosody, the newest client wins: it is the one its user is looking at.
            self.say_unavailable(account, &old.jid, old.presence.is_some(), Vec::new());
            old.stream.finish(refusal::replaced().as_bytes());
        }
        Some(jid)
    }

    /// Unbinds the resource of a closed stream.
    pub(super) fn unbind(&self, account: &BareJid, stream: &Arc<WriteBuffer>) {
        let mut state = self.state();
        state.opened(stream);
        let State { accounts, .. } = &mut *state;
        let Some(resources) = accounts
            .get_mut(account)
            .map(|account| &mut account.resources)
        else {
            return;
        };
        let Some(at) = resources
            .iter()
            .position(|resource| Arc::ptr_eq(&resource.stream, stream))
        else {
            return;
        };
        let mut gone = resources.remove(at);
        drop(state);
        let directed = gone.take_directed();
        self.say_unavailable(account, &gone.jid, gone.presence.is_some(), directed);
    }
}
