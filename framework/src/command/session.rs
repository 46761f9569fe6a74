//! Commands under way: bounded in number, size and time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jid::Jid;
use tokio::time::{Duration, Instant};
use xmpp_parsers::data_forms::Field;

use super::fault::{expired, fault, full, too_much};
use crate::error::StanzaError;
use crate::form::Definition;
use crate::payload::CommandFault;
use crate::throttle::Throttle;

/// How many sessions one bare JID may have. The oldest of them ends when it begins another one.
const PER_SENDER: usize = 4;
/// How much one session may hold, in bytes of what was filled in.
const SIZE: usize = 32 * 1024;

/// The sessions of the commands of one router. Cloning is cheap, and all clones are the same sessions.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

struct Shared {
    table: Mutex<Table>,
    limit: usize,
    time_out: Duration,
}

#[derive(Default)]
struct Table {
    places: HashMap<String, Place>,
    refused: u64,
    log: Throttle,
}

struct Place {
    key: Key,
    state: State,
    touched: Instant,
}

enum State {
    Waiting(Progress),
    /// A step is being taken.
    Busy,
    /// Done, cancelled or timed out: kept as long as there is room, so that who comes late is told so.
    Over,
}

/// Whose session it is, and of what: it is good for the very same three only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) owner: Jid,
    pub(super) recipient: Jid,
    pub(super) node: String,
}

/// How far a command is: the steps shown, of which the last is waited for.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) shown: Vec<Shown>,
}

/// A step that was shown, and what was filled in.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// Which of the command's steps it is.
    pub(super) at: usize,
    pub(super) definition: Definition,
    pub(super) values: Vec<Field>,
}

impl Progress {
    /// Everything that was filled in so far.
    pub(super) fn gathered(&self) -> Vec<Field> {
        self.shown.iter().flat_map(|shown| shown.values.iter().cloned()).collect()
    }

    fn size(&self) -> usize {
        let fields = self.shown.iter().flat_map(|shown| &shown.values);
        fields.flat_map(|field| &field.values).map(String::len).sum()
    }
}

impl Sessions {
    pub(super) fn new(limit: usize, time_out: Duration) -> Self {
        Self { shared: Arc::new(Shared { table: Mutex::default(), limit: limit.max(1), time_out }) }
    }

    /// How many sessions wait for their next step.
    #[must_use]
    pub fn open(&self) -> usize {
        let now = Instant::now();
        self.table().places.values().filter(|place| place.is_open(now, self.shared.time_out)).count()
    }

    /// How many commands were not begun because there were too many sessions.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.table().refused
    }

    /// Begins a session.
    pub(super) fn begin(&self, id: String, key: Key, progress: Progress) -> Result<(), StanzaError> {
        let mut table = self.table();
        let now = Instant::now();
        table.make_room(&key, now, &self.shared);
        let open = |place: &&Place| place.is_open(now, self.shared.time_out);
        let of_domain =
            table.places.values().filter(open).filter(|place| place.key.owner.domain() == key.owner.domain());
        let quarter = (self.shared.limit / 4).max(1);
        if table.places.len() >= self.shared.limit || of_domain.count() >= quarter {
            table.refused += 1;
            if table.log.allow() {
                tracing::warn!(sender = %key.owner, node = key.node, "too many commands are under way: one is refused");
            }
            return Err(full());
        }
        table.places.insert(id, Place { key, state: State::Waiting(progress), touched: now });
        Ok(())
    }

    /// Whether there is, or was of late, a session of this id.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.table().places.contains_key(id)
    }

    /// Takes a session to go on with it. Dropped without a word, it is as it was.
    pub(super) fn take(&self, id: &str, key: &Key) -> Result<Held<'_>, StanzaError> {
        let mut table = self.table();
        let Some(place) = table.places.get_mut(id).filter(|place| place.key == *key) else {
            return Err(fault(CommandFault::BadSessionId, "no such session of yours"));
        };
        if !place.is_open(Instant::now(), self.shared.time_out) {
            place.state = State::Over;
            return Err(expired());
        }
        match std::mem::replace(&mut place.state, State::Busy) {
            State::Waiting(progress) => Ok(Held { sessions: self, id: id.to_owned(), progress: Some(progress) }),
            _ => Err(fault(CommandFault::BadAction, "the step before is still being taken")),
        }
    }

    fn put(&self, id: &str, state: State) {
        if let Some(place) = self.table().places.get_mut(id) {
            *place = Place { key: place.key.clone(), state, touched: Instant::now() };
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code that can panic runs under this lock.
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// What is over makes room, and so does the oldest of who has many.
    fn make_room(&mut self, key: &Key, now: Instant, shared: &Shared) {
        if self.places.len() >= shared.limit {
            self.places.retain(|_, place| place.is_open(now, shared.time_out));
        }
        let owner = key.owner.to_bare();
        let own = self
            .places
            .values_mut()
            .filter(|place| place.key.owner.to_bare() == owner && place.is_open(now, shared.time_out));
        let mut own: Vec<_> = own.collect();
        if own.len() >= PER_SENDER
            && let Some(oldest) = own.iter_mut().min_by_key(|place| place.touched)
        {
            oldest.state = State::Over;
        }
    }
}

impl Place {
    fn is_open(&self, now: Instant, time_out: Duration) -> bool {
        match self.state {
            State::Waiting(_) => now.duration_since(self.touched) < time_out,
            State::Busy => true,
            State::Over => false,
        }
    }
}

/// A session while a step is being taken.
pub(super) struct Held<'s> {
    sessions: &'s Sessions,
    id: String,
    progress: Option<Progress>,
}

impl Held<'_> {
    /// How far it is. The one step that is shown is the last.
    pub(super) fn progress(&self) -> &Progress {
        const NONE: &Progress = &Progress { shown: Vec::new() };
        self.progress.as_ref().unwrap_or(NONE)
    }

    /// Goes on from here.
    pub(super) fn keep(mut self, progress: Progress) -> Result<(), StanzaError> {
        if progress.size() > SIZE {
            return Err(too_much());
        }
        self.progress = Some(progress);
        Ok(())
    }

    /// Ends it.
    pub(super) fn end(mut self) {
        self.progress = None;
    }
}

/// However the step ended: by an error, by a panic, or because it took too long.
impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.sessions.put(&self.id, self.progress.take().map_or(State::Over, State::Waiting));
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("open", &self.open()).finish_non_exhaustive()
    }
}
