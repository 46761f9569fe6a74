//! The rooms of a component, found by the stanzas that they send.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jid::Jid;
use tokio::sync::Notify;

use super::JoinError;
use super::change::{Removal, RoomState};
use super::session::Session;
use crate::address::bare;
use crate::client::{Client, SendError, StanzaObserver};
use crate::stanza::Stanza;
use crate::supervise::Supervised;

/// The maximum number of visits to rooms: one for each address in each room.
const MAX_SESSIONS: usize = 65_536;

/// The visits of a component to rooms.
#[derive(Default)]
pub(super) struct Rooms {
    table: Mutex<Table>,
    /// Wakes the keeper.
    pub(super) changed: Arc<Notify>,
    /// The number of streams so far.
    pub(super) streams: AtomicU64,
    keeper: OnceLock<Supervised>,
}

#[derive(Default)]
struct Table {
    /// By room, then by the address in it.
    sessions: HashMap<String, HashMap<Jid, Arc<Session>>>,
    count: usize,
    is_closed: bool,
}

impl Rooms {
    /// Returns the rooms of a client's component.
    pub(super) fn of(client: &Client) -> Option<Arc<Self>> {
        let observer: Arc<dyn Any + Send + Sync> = Arc::clone(client.shared().observer.get()?) as _;
        observer.downcast().ok()
    }

    /// Returns the rooms of a client's component, and begins to observe its stanzas.
    pub(super) fn observing(client: &Client) -> Option<Arc<Self>> {
        let new = || Arc::new(Self::default()) as Arc<dyn StanzaObserver>;
        client.shared().observer.get_or_init(new);
        Self::of(client)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // No code that can panic runs under this lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a visit.
    pub(super) fn add(&self, session: &Arc<Session>) -> Result<(), JoinError> {
        let mut table = self.lock();
        if table.is_closed {
            return Err(JoinError::Send(SendError::Closed));
        }
        if table.count >= MAX_SESSIONS {
            return Err(JoinError::TooMany);
        }
        let room = session.room.as_str().to_owned();
        let visits = table.sessions.entry(room).or_default();
        let known = visits.get(&session.own);
        if known.is_some_and(|known| !matches!(known.state(), RoomState::Removed(_))) {
            return Err(JoinError::AlreadyJoined);
        }
        let before = visits.insert(session.own.clone(), Arc::clone(session));
        table.count += usize::from(before.is_none());
        Ok(())
    }

    /// Starts the task that keeps the component in its rooms, unless it runs.
    pub(super) fn kept_by(&self, start: impl FnOnce() -> Supervised) {
        self.keeper.get_or_init(start);
    }

    /// Removes a visit that has ended, unless another one has taken its place.
    pub(super) fn remove(&self, session: &Arc<Session>) {
        let mut table = self.lock();
        let Some(visits) = table.sessions.get_mut(session.room.as_str()) else {
            return;
        };
        if !visits
            .get(&session.own)
            .is_some_and(|known| Arc::ptr_eq(known, session))
        {
            return;
        }
        visits.remove(&session.own);
        if visits.is_empty() {
            table.sessions.remove(session.room.as_str());
        }
        table.count -= 1;
    }

    pub(super) fn find(&self, room: &str, own: &Jid) -> Option<Arc<Session>> {
        self.lock().sessions.get(room)?.get(own).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Session>> {
        let table = self.lock();
        let visits = table.sessions.values().flat_map(HashMap::values);
        visits.cloned().collect()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }
}

impl StanzaObserver for Rooms {
    fn observe(&self, stanza: &Stanza) -> bool {
        let (Some(from), Some(to)) = (stanza.from(), stanza.to()) else {
            return true;
        };
        let Some(session) = self.find(bare(from), to) else {
            return true;
        };
        let seen = session.observe(stanza);
        if seen.is_replanned {
            self.changed.notify_one();
        }
        if seen.is_over {
            self.remove(&session);
        }
        seen.is_handled
    }

    fn connected(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
        for session in self.all() {
            session.reconnected();
        }
        self.changed.notify_one();
    }

    fn farewell(&self) -> Vec<Stanza> {
        let inside = self.all().into_iter();
        let inside = inside.filter(|session| !matches!(session.state(), RoomState::Removed(_)));
        inside
            .filter_map(|session| session.leaving().ok())
            .collect()
    }

    fn closed(&self) {
        let sessions = {
            let mut table = self.lock();
            table.is_closed = true;
            table.count = 0;
            std::mem::take(&mut table.sessions)
        };
        for session in sessions.values().flat_map(HashMap::values) {
            session.end(Removal::Left);
        }
        self.changed.notify_one();
    }
}

/// Part of the output for a client, which must not show the passwords of rooms.
impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.lock().count;
        f.debug_struct("Rooms").field("count", &count).finish()
    }
}
