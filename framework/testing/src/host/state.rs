//! Shared state of a host: streams, mounted components, users and accounts.

use crate::host::ids;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jid::{BareJid, Jid};
use tokio::sync::{Notify, watch};

use super::clients::account::Account;
use super::endpoint::Endpoint;
use super::mailbox::Mailbox;
use super::settings::{OnConflict, Settings};
use super::write_buffer::WriteBuffer;
use super::{Disconnect, refusal};

/// Maximum number of concurrent connections, and of domains remembered after their component has
/// left.
const STREAMS: usize = 4096;

/// State shared by connections, users and the host handle.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) dropped: AtomicU64,
    pub(super) changed: Notify,
    pub(super) running: watch::Sender<bool>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// Open connections, mounted or not.
    pub(super) streams: usize,
    opening: Vec<Arc<WriteBuffer>>,
    /// Domains that have or had a component.
    mounts: HashMap<String, VecDeque<Arc<WriteBuffer>>>,
    users: HashMap<BareJid, Vec<(Jid, Arc<Mailbox>)>>,
    /// Accounts that clients can log in to.
    pub(super) accounts: HashMap<BareJid, Account>,
    /// Number of client connections.
    pub(super) clients: usize,
}

/// Result of mounting a component.
pub(super) enum MountOutcome {
    Mounted,
    Conflict,
}

/// Destination of a stanza.
pub(super) enum Target {
    Component(Arc<WriteBuffer>),
    /// A component's domain without a mounted component.
    Offline,
    /// The host's own domain.
    Host,
    /// Virtual users: all resources of a bare JID, or the one of a full JID.
    Account(Vec<Endpoint>),
    /// An account that clients can log in to.
    Registered(BareJid),
    /// A domain of another server, which is unreachable.
    RemoteServer,
}

impl Shared {
    pub(super) fn new(mut settings: Settings) -> Self {
        let (running, _) = watch::channel(true);
        let accounts = std::mem::take(&mut settings.accounts)
            .into_iter()
            .filter_map(|(name, password)| {
                let jid = BareJid::new(&format!("{name}@{}", settings.domain)).ok()?;
                Some((jid, Account::new(password, &ids::fresh())))
            });
        let state = State {
            accounts: accounts.collect(),
            ..State::default()
        };
        Self {
            settings,
            dropped: AtomicU64::default(),
            changed: Notify::new(),
            running,
            state: Mutex::new(state),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn is_running(&self) -> bool {
        *self.running.borrow()
    }

    /// Ends every stream and rejects new connections until the host is started again.
    pub(super) fn stop(&self, how: &Disconnect) {
        self.running.send_replace(false);
        let streams = self.state().unmount_all();
        for stream in streams {
            stream.finish(how.bytes().as_bytes());
        }
        self.changed.notify_waiters();
    }

    /// Waits until the predicate holds.
    pub(super) async fn until(&self, wanted: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            if wanted(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    /// Registers a connection. Returns `false` if there are too many, or the host is stopped.
    pub(super) fn connect(&self, stream: &Arc<WriteBuffer>) -> bool {
        let mut state = self.state();
        let room = state.streams < STREAMS && self.is_running();
        if room {
            state.streams += 1;
            state.opening.push(Arc::clone(stream));
        }
        room
    }

    /// Counts a client connection. Returns `false` if there are `most` already.
    pub(super) fn take_client(&self, most: usize) -> bool {
        let mut state = self.state();
        let room = state.clients < most;
        state.clients += usize::from(room);
        room
    }

    /// Mounts an authenticated component. The handshake reply is sent before any stanza can be
    /// routed to it.
    pub(super) fn mount(&self, domain: &str, stream: &Arc<WriteBuffer>) -> MountOutcome {
        let mut state = self.state();
        state.opened(stream);
        let mounted = state.mounts.entry(domain.to_owned()).or_default();
        let mut old = VecDeque::new();
        match self.settings.on_conflict {
            _ if mounted.is_empty() => {}
            OnConflict::KickNew => return MountOutcome::Conflict,
            OnConflict::KickOld => old = std::mem::take(mounted),
            OnConflict::Share => {}
        }
        // If the stream has just ended, the push fails and the stream unmounts itself.
        let _ = stream.push(b"<handshake/>");
        mounted.push_back(Arc::clone(stream));
        drop(state);
        for old in old {
            old.finish(refusal::replaced().as_bytes());
        }
        self.changed.notify_waiters();
        MountOutcome::Mounted
    }

    /// Removes a stream from routing.
    pub(super) fn unmount(&self, domain: Option<&str>, stream: &Arc<WriteBuffer>) {
        let mut state = self.state();
        state.opened(stream);
        if let Some(domain) = domain
            && let Some(mounted) = state.mounts.get_mut(domain)
        {
            mounted.retain(|other| !Arc::ptr_eq(other, stream));
            if state.mounts.len() > STREAMS {
                state.mounts.retain(|_, mounted| !mounted.is_empty());
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Counts a closed connection.
    pub(super) fn disconnected(&self) {
        self.state().streams -= 1;
        self.changed.notify_waiters();
    }

    pub(super) fn target(&self, to: &Jid) -> Target {
        let domain = to.domain().as_str();
        let mut state = self.state();
        if let Some(mounted) = state.mounts.get_mut(domain) {
            // Components that share a domain are served round-robin.
            mounted.rotate_left(usize::from(mounted.len() > 1));
            return mounted.back().map_or(Target::Offline, |stream| {
                Target::Component(Arc::clone(stream))
            });
        }
        if self.settings.expects(domain) {
            return Target::Offline;
        }
        if domain == self.settings.domain && to.node().is_none() {
            return Target::Host;
        }
        let account = to.to_bare();
        if state.accounts.contains_key(&account) {
            return Target::Registered(account);
        }
        match state.online(to) {
            found if found.is_empty() && domain != self.settings.domain => Target::RemoteServer,
            found => Target::Account(found),
        }
    }
}

impl State {
    pub(super) fn is_mounted(&self, domain: &str) -> bool {
        self.mounts
            .get(domain)
            .is_some_and(|mounted| !mounted.is_empty())
    }

    pub(super) fn mounted(&self, domain: &str) -> Option<&Arc<WriteBuffer>> {
        self.mounts.get(domain)?.front()
    }

    /// Returns `true` if a component has or had this domain.
    pub(super) fn is_component(&self, domain: &str) -> bool {
        self.mounts.contains_key(domain)
    }

    pub(super) fn domains(&self) -> Vec<String> {
        let mounted = self
            .mounts
            .iter()
            .filter(|(_, mounted)| !mounted.is_empty());
        let mut domains: Vec<_> = mounted.map(|(domain, _)| domain.clone()).collect();
        domains.sort();
        domains
    }

    pub(super) fn unmount_domain(&mut self, domain: &str) -> Vec<Arc<WriteBuffer>> {
        self.mounts
            .get_mut(domain)
            .map(|mounted| mounted.drain(..).collect())
            .unwrap_or_default()
    }

    fn unmount_all(&mut self) -> Vec<Arc<WriteBuffer>> {
        let mut streams = std::mem::take(&mut self.opening);
        streams.extend(
            self.mounts
                .values_mut()
                .flat_map(|mounted| mounted.drain(..)),
        );
        // Client resources are unbound when their streams end.
        let resources = self
            .accounts
            .values()
            .flat_map(|account| &account.resources);
        streams.extend(resources.map(|resource| Arc::clone(&resource.stream)));
        streams
    }

    /// Marks the negotiation of a stream as finished, successfully or not.
    pub(super) fn opened(&mut self, stream: &Arc<WriteBuffer>) {
        self.opening.retain(|other| !Arc::ptr_eq(other, stream));
    }

    /// Registers a virtual user. Returns `false` if that full JID is already online.
    pub(super) fn sign_on(&mut self, jid: &Jid, mailbox: &Arc<Mailbox>) -> bool {
        let resources = self.users.entry(jid.to_bare()).or_default();
        if resources.iter().any(|(other, _)| other == jid) {
            return false;
        }
        resources.push((jid.clone(), Arc::clone(mailbox)));
        true
    }

    pub(super) fn sign_off(&mut self, jid: &Jid) {
        let bare = jid.to_bare();
        if let Some(resources) = self.users.get_mut(&bare) {
            resources.retain(|(other, _)| other != jid);
            if resources.is_empty() {
                self.users.remove(&bare);
            }
        }
    }

    pub(super) fn close_mailboxes(&mut self) {
        self.users
            .values()
            .flatten()
            .for_each(|(_, mailbox)| mailbox.close());
    }

    /// Returns the virtual users at a JID: all resources of a bare JID, or one.
    pub(super) fn online(&self, to: &Jid) -> Vec<Endpoint> {
        let resources = self.users.get(&to.to_bare()).into_iter().flatten();
        let wanted = resources.filter(|(jid, _)| to.resource().is_none() || jid == to);
        wanted
            .map(|(_, mailbox)| Endpoint::Virtual(Arc::clone(mailbox)))
            .collect()
    }
}
