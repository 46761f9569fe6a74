//! Command sessions, bounded in number, size and time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant};

use super::fault::{busy, expired, full, unknown};
use super::progress::Progress;
use crate::error::StanzaError;
use crate::instances::{SessionKey, SessionLimits, SessionStore};
use crate::throttle::Throttle;

/// Maximum number of sessions per bare JID. Starting another one ends the oldest.
const PER_SENDER: usize = 4;

/// A handle to the sessions of a set of [`Commands`](super::Commands), for metrics.
///
/// Cloning is cheap; all clones share the same sessions.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

struct Shared {
    table: Mutex<SessionTable>,
    bounds: SessionLimits,
    /// The shared store. Without one, sessions are kept in `table`.
    store: Option<Arc<dyn SessionStore>>,
}

#[derive(Default)]
struct SessionTable {
    entries: HashMap<String, Entry>,
    log: Throttle,
}

struct Entry {
    key: SessionKey,
    state: State,
    touched: Instant,
}

enum State {
    Waiting(Progress),
    /// A step is being handled.
    Busy,
    /// Completed, canceled or timed out. Kept as long as there is room, so that late requests get
    /// session-expired instead of bad-sessionid.
    Ended,
}

impl Sessions {
    /// Creates the sessions, of which one domain may hold a quarter.
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

    /// Returns the shared store, if one is configured.
    pub(super) fn store(&self) -> Option<&Arc<dyn SessionStore>> {
        self.shared.store.as_ref()
    }

    pub(super) fn bounds(&self) -> &SessionLimits {
        &self.shared.bounds
    }

    /// Returns the number of open sessions in this process. Sessions in a
    /// [store](super::SessionStore) are not counted.
    #[must_use]
    pub fn open(&self) -> usize {
        let now = Instant::now();
        self.table()
            .entries
            .values()
            .filter(|entry| entry.is_open(now, self.shared.bounds.timeout))
            .count()
    }

    /// Starts a session.
    pub(super) fn begin(
        &self,
        id: String,
        key: SessionKey,
        progress: Progress,
    ) -> Result<(), StanzaError> {
        let mut table = self.table();
        let now = Instant::now();
        table.make_room(&key, now, &self.shared);
        let open = |entry: &&Entry| entry.is_open(now, self.shared.bounds.timeout);
        let of_domain = table
            .entries
            .values()
            .filter(open)
            .filter(|entry| entry.key.owner.domain() == key.owner.domain());
        if table.entries.len() >= self.shared.bounds.all
            || of_domain.count() >= self.bounds().per_domain
        {
            return Err(table.refuse(&key));
        }
        table.entries.insert(
            id,
            Entry {
                key,
                state: State::Waiting(progress),
                touched: now,
            },
        );
        Ok(())
    }

    /// Counts a command that the store rejected because it is full.
    pub(super) fn refuse(&self, key: &SessionKey) -> StanzaError {
        self.table().refuse(key)
    }

    /// Returns `true` if a session with this id exists, or ended recently.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.table().entries.contains_key(id)
    }

    /// Acquires a session in order to handle its next step, until [`release`](Self::release).
    pub(super) fn acquire(&self, id: &str, key: &SessionKey) -> Result<Progress, StanzaError> {
        let mut table = self.table();
        let Some(entry) = table.entries.get_mut(id).filter(|entry| entry.key == *key) else {
            return Err(unknown());
        };
        if !entry.is_open(Instant::now(), self.shared.bounds.timeout) {
            entry.state = State::Ended;
            return Err(expired());
        }
        match std::mem::replace(&mut entry.state, State::Busy) {
            State::Waiting(progress) => Ok(progress),
            _ => Err(busy()),
        }
    }

    /// Releases a session: with its new progress, or as ended. A session that ended during the step
    /// stays ended.
    pub(super) fn release(&self, id: &str, progress: Option<Progress>) {
        let state = progress.map_or(State::Ended, State::Waiting);
        if let Some(entry) = self
            .table()
            .entries
            .get_mut(id)
            .filter(|entry| matches!(entry.state, State::Busy))
        {
            *entry = Entry {
                key: entry.key.clone(),
                state,
                touched: Instant::now(),
            };
        }
    }

    fn table(&self) -> MutexGuard<'_, SessionTable> {
        // No code that can panic runs under this lock.
        self.shared
            .table
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionTable {
    fn refuse(&mut self, key: &SessionKey) -> StanzaError {
        if self.log.allow() {
            tracing::warn!(
                sender = %key.owner,
                node = key.node,
                "command rejected: too many open sessions"
            );
        }
        full()
    }

    /// Removes ended sessions if the table is full, and ends the oldest session of a sender who has
    /// the maximum number.
    fn make_room(&mut self, key: &SessionKey, now: Instant, shared: &Shared) {
        if self.entries.len() >= shared.bounds.all {
            self.entries
                .retain(|_, entry| entry.is_open(now, shared.bounds.timeout));
        }
        let owner = key.owner.to_bare();
        let own = self.entries.values_mut().filter(|entry| {
            entry.key.owner.to_bare() == owner && entry.is_open(now, shared.bounds.timeout)
        });
        let mut own: Vec<_> = own.collect();
        if own.len() >= PER_SENDER
            && let Some(oldest) = own.iter_mut().min_by_key(|entry| entry.touched)
        {
            oldest.state = State::Ended;
        }
    }
}

impl Entry {
    fn is_open(&self, now: Instant, timeout: Duration) -> bool {
        match self.state {
            State::Waiting(_) => now.duration_since(self.touched) < timeout,
            State::Busy => true,
            State::Ended => false,
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
