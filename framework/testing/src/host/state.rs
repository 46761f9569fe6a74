//! Who is there: streams, mounted components, users.

use crate::host::ids;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jid::{BareJid, Jid};
use tokio::sync::{Notify, watch};

use super::builder::{OnConflict, Settings};
use super::clients::{Account, Endpoint};
use super::mailbox::Mailbox;
use super::write_buffer::WriteBuffer;
use super::{Disconnect, refusal};

/// Connections at a time, and domains that are remembered after their component has left.
const STREAMS: usize = 4096;

/// What connections, users and the handle share.
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
    /// Whose clients may log in.
    pub(super) accounts: HashMap<BareJid, Account>,
    /// Connections of clients.
    pub(super) clients: usize,
}

/// What became of the wish to be mounted.
pub(super) enum MountOutcome {
    Mounted,
    Conflict,
}

/// Where a stanza goes.
pub(super) enum Target {
    Component(Arc<WriteBuffer>),
    /// A component's domain, with nobody mounted on it.
    Offline,
    /// The host's own domain.
    Host,
    /// All that are online at a bare JID, or the one at a full JID.
    Account(Vec<Endpoint>),
    /// Somebody who can log in.
    Registered(BareJid),
    /// Another server, of which there is none.
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

    /// Ends every stream, and takes no new ones until started again.
    pub(super) fn stop(&self, how: &Disconnect) {
        self.running.send_replace(false);
        let streams = self.state().unmount_all();
        for stream in streams {
            stream.finish(how.bytes().as_bytes());
        }
        self.changed.notify_waiters();
    }

    /// Waits until the tables are as wanted.
    pub(super) async fn until(&self, wanted: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            if wanted(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    /// Takes in a connection; false when there are too many, or the host is stopped.
    pub(super) fn connect(&self, stream: &Arc<WriteBuffer>) -> bool {
        let mut state = self.state();
        let room = state.streams < STREAMS && self.is_running();
        if room {
            state.streams += 1;
            state.opening.push(Arc::clone(stream));
        }
        room
    }

    /// Counts a client in; false when there are so many already.
    pub(super) fn take_client(&self, most: usize) -> bool {
        let mut state = self.state();
        let room = state.clients < most;
        state.clients += usize::from(room);
        room
    }

    /// Mounts a component whose handshake was right, and tells it so before anything else reaches
    /// it.
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
        // A stream that has ended in this moment takes nothing, and is taken out again by its own
        // end.
        let _ = stream.push(b"<handshake/>");
        mounted.push_back(Arc::clone(stream));
        drop(state);
        for old in old {
            old.finish(refusal::replaced().as_bytes());
        }
        self.changed.notify_waiters();
        MountOutcome::Mounted
    }

    /// No stanza goes to this stream any more.
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

    /// A connection is gone.
    pub(super) fn disconnected(&self) {
        self.state().streams -= 1;
        self.changed.notify_waiters();
    }

    pub(super) fn target(&self, to: &Jid) -> Target {
        let domain = to.domain().as_str();
        let mut state = self.state();
        if let Some(mounted) = state.mounts.get_mut(domain) {
            // Those that share a domain get the stanzas in turn.
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

    /// Whether a component has this domain, or had it.
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
        // Those of clients are unbound by their own end.
        let resources = self
            .accounts
            .values()
            .flat_map(|account| &account.resources);
        streams.extend(resources.map(|resource| Arc::clone(&resource.stream)));
        streams
    }

    /// The opening of this stream is over, one way or the other.
    pub(super) fn opened(&mut self, stream: &Arc<WriteBuffer>) {
        self.opening.retain(|other| !Arc::ptr_eq(other, stream));
    }

    /// False when that very JID is online.
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

    /// Virtual users.
    pub(super) fn online(&self, to: &Jid) -> Vec<Endpoint> {
        let resources = self.users.get(&to.to_bare()).into_iter().flatten();
        let wanted = resources.filter(|(jid, _)| to.resource().is_none() || jid == to);
        wanted
            .map(|(_, mailbox)| Endpoint::Virtual(Arc::clone(mailbox)))
            .collect()
    }
}
