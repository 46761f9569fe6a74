//! Commands under way: bounded in number, size and time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant};
use xmpp_parsers::data_forms::Field;

use super::fault::{busy, expired, full, unknown};
use super::lease::Held;
use super::store::{SessionKey, SessionLimits, SessionStore};
use crate::error::StanzaError;
use crate::throttle::Throttle;
use crate::xep::form::Definition;

/// How many sessions one bare JID may have. The oldest of them ends when it begins another one.
const PER_SENDER: usize = 4;
/// How much one session may hold, in bytes of what was filled in.
const SIZE: usize = 32 * 1024;

/// The sessions of the commands of one router. Cloning is cheap, and all clones are the same
/// sessions.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

struct Shared {
    table: Mutex<Table>,
    bounds: SessionLimits,
    /// In whose place this table stands as long as there is none.
    store: Option<Arc<dyn SessionStore>>,
}

#[derive(Default)]
struct Table {
    places: HashMap<String, Place>,
    refused: u64,
    log: Throttle,
}

struct Place {
    key: SessionKey,
    state: State,
    touched: Instant,
}

enum State {
    Waiting(Progress),
    /// A step is being taken.
    Busy,
    /// Done, cancelled or timed out: kept as long as there is room, so that who comes late is told
    /// so.
    Over,
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
        self.shown
            .iter()
            .flat_map(|shown| shown.values.iter().cloned())
            .collect()
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.size() > SIZE
    }

    fn size(&self) -> usize {
        let fields = self.shown.iter().flat_map(|shown| &shown.values);
        fields
            .flat_map(|field| &field.values)
            .map(String::len)
            .sum()
    }
}

impl Sessions {
    /// So many sessions at a time, of which a domain holds a quarter.
    pub(super) fn new(
        limit: usize,
        timeout: Duration,
        lease: Duration,
        store: Option<Arc<dyn SessionStore>>,
    ) -> Self {
        let all = limit.max(1);
        let bounds = SessionLimits {
            all,
            per_domain: (all / 4).max(1),
            per_sender: PER_SENDER,
            timeout,
            lease,
        };
        Self {
            shared: Arc::new(Shared {
                table: Mutex::default(),
                bounds,
                store,
            }),
        }
    }

    /// Where they are, when they are not here.
    pub(super) fn store(&self) -> Option<&Arc<dyn SessionStore>> {
        self.shared.store.as_ref()
    }

    pub(super) fn bounds(&self) -> &SessionLimits {
        &self.shared.bounds
    }

    /// How many sessions wait for their next step; of those in a [store](super::SessionStore),
    /// none.
    #[must_use]
    pub fn open(&self) -> usize {
        let now = Instant::now();
        self.table()
            .places
            .values()
            .filter(|place| place.is_open(now, self.shared.bounds.timeout))
            .count()
    }

    /// How many commands were not begun because there were too many sessions.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.table().refused
    }

    /// Begins a session.
    pub(super) fn begin(
        &self,
        id: String,
        key: SessionKey,
        progress: Progress,
    ) -> Result<(), StanzaError> {
        let mut table = self.table();
        let now = Instant::now();
        table.make_room(&key, now, &self.shared);
        let open = |place: &&Place| place.is_open(now, self.shared.bounds.timeout);
        let of_domain = table
            .places
            .values()
            .filter(open)
            .filter(|place| place.key.owner.domain() == key.owner.domain());
        if table.places.len() >= self.shared.bounds.all
            || of_domain.count() >= self.bounds().per_domain
        {
            return Err(table.refuse(&key));
        }
        table.places.insert(
            id,
            Place {
                key,
                state: State::Waiting(progress),
                touched: now,
            },
        );
        Ok(())
    }

    /// Counts one that has no room in the store.
    pub(super) fn refuse(&self, key: &SessionKey) -> StanzaError {
        self.table().refuse(key)
    }

    /// Whether there is, or was of late, a session of this id.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.table().places.contains_key(id)
    }

    /// Takes a session to go on with it. Dropped without a word, it is as it was.
    pub(super) fn take(&self, id: &str, key: &SessionKey) -> Result<Held<'_>, StanzaError> {
        let mut table = self.table();
        let Some(place) = table.places.get_mut(id).filter(|place| place.key == *key) else {
            return Err(unknown());
        };
        if !place.is_open(Instant::now(), self.shared.bounds.timeout) {
            place.state = State::Over;
            return Err(expired());
        }
        match std::mem::replace(&mut place.state, State::Busy) {
            State::Waiting(progress) => Ok(Held::new(self, id, progress)),
            _ => Err(busy()),
        }
    }

    /// Puts a session back: as far as it is, or as one that is over. One that has ended during the
    /// step stays over.
    pub(super) fn put(&self, id: &str, progress: Option<Progress>) {
        let state = progress.map_or(State::Over, State::Waiting);
        if let Some(place) = self
            .table()
            .places
            .get_mut(id)
            .filter(|place| matches!(place.state, State::Busy))
        {
            *place = Place {
                key: place.key.clone(),
                state,
                touched: Instant::now(),
            };
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code that can panic runs under this lock.
        self.shared
            .table
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn refuse(&mut self, key: &SessionKey) -> StanzaError {
        self.refused += 1;
        if self.log.allow() {
            tracing::warn!(sender = %key.owner, node = key.node, "too many commands are under way: \
                one is refused");
        }
        full()
    }

    /// What is over makes room, and so does the oldest of who has many.
    fn make_room(&mut self, key: &SessionKey, now: Instant, shared: &Shared) {
        if self.places.len() >= shared.bounds.all {
            self.places
                .retain(|_, place| place.is_open(now, shared.bounds.timeout));
        }
        let owner = key.owner.to_bare();
        let own = self.places.values_mut().filter(|place| {
            place.key.owner.to_bare() == owner && place.is_open(now, shared.bounds.timeout)
        });
        let mut own: Vec<_> = own.collect();
        if own.len() >= PER_SENDER
            && let Some(oldest) = own.iter_mut().min_by_key(|place| place.touched)
        {
            oldest.state = State::Over;
        }
    }
}

impl Place {
    fn is_open(&self, now: Instant, timeout: Duration) -> bool {
        match self.state {
            State::Waiting(_) => now.duration_since(self.touched) < timeout,
            State::Busy => true,
            State::Over => false,
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fifth session ends the oldest of four, also while a step of that one runs.
    #[test]
    fn what_ends_during_a_step_stays_over() {
        let sessions = Sessions::new(64, Duration::from_secs(600), Duration::from_secs(60), None);
        let key = SessionKey {
            owner: "alice@localhost/a".parse().unwrap(),
            recipient: "bot.localhost".parse().unwrap(),
            node: "order".to_owned(),
        };
        let begin = |id: &str| {
            sessions
                .begin(id.to_owned(), key.clone(), Progress::default())
                .unwrap()
        };
        ["1", "2", "3", "4"].into_iter().for_each(begin);
        let held = sessions.take("1", &key).ok().unwrap();
        begin("5");
        drop(held);
        assert!(sessions.take("1", &key).is_err());
        assert_eq!(sessions.open(), 4);
    }
}
