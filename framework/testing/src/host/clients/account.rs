//! Accounts, their credentials and their bound resources.

use std::sync::{Arc, OnceLock};

use jid::Jid;

use super::roster::Roster;
use super::scram::{Hash, Keys};
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
    /// Creates a resource that has not sent presence yet.
    pub(super) fn new(jid: Jid, stream: Arc<WriteBuffer>) -> Self {
        Self {
            jid,
            stream,
            interested: false,
            presence: None,
            directed: Vec::new(),
        }
    }

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
