//! Command sessions, bounded in number, size and time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant};

use super::fault::{busy, expired, full, unknown};
use super::progress::Progress;
use crate::address::is_same;
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
            .filter(|entry| entry.is_open(now, self.bounds()))
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
        if !table.make_room(&key, now, self.bounds()) {
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
        if !entry.is_open(Instant::now(), self.bounds()) {
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

    /// Ends the oldest sessions of a sender who has the maximum number, and removes ended sessions
    /// if the table is full. Returns `false` if a limit is reached.
    fn make_room(&mut self, key: &SessionKey, now: Instant, limits: &SessionLimits) -> bool {
        let owner = key.owner.to_bare();
        let domain = owner.domain().as_str();
        let mut of_sender = Vec::new();
        let mut of_domain = 0;
        let mut all = 0;
        let open = |entry: &&mut Entry| entry.is_open(now, limits);
        for entry in self.entries.values_mut().filter(open) {
            all += 1;
            of_domain += usize::from(is_same(entry.key.owner.domain().as_str(), domain));
            if is_same(entry.key.owner.to_bare().as_str(), owner.as_str()) {
                of_sender.push(entry);
            }
        }
        let Some(ending) = limits.admit(of_sender.len(), of_domain, all) else {
            return false;
        };
        of_sender.sort_by_key(|entry| entry.touched);
        for entry in of_sender.into_iter().take(ending) {
            entry.state = State::Ended;
        }
        if self.entries.len() >= limits.all {
            self.entries.retain(|_, entry| entry.is_open(now, limits));
        }
        true
    }
}

impl Entry {
    fn is_open(&self, now: Instant, limits: &SessionLimits) -> bool {
        let waited = now.duration_since(self.touched);
        match self.state {
            State::Waiting(_) => limits.is_open(waited, false),
            State::Busy => limits.is_open(waited, true),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_sessions_are_limited_per_sender_domain_and_in_total() {
        let limits = SessionLimits {
            all: 16,
            per_domain: 6,
            per_sender: 4,
            timeout: Duration::from_secs(600),
            lease: Duration::from_secs(60),
        };
        for (of_sender, of_domain, all, expected) in [
            (0, 0, 0, Some(0)),
            (3, 5, 15, Some(0)),
            (4, 6, 16, Some(1)),
            (5, 7, 17, Some(2)),
            (3, 6, 6, None),
            (4, 7, 7, None),
            (3, 5, 16, None),
        ] {
            assert_eq!(
                limits.admit(of_sender, of_domain, all),
                expected,
                "{of_sender}, {of_domain}, {all}"
            );
        }
        let late = limits.timeout;
        assert!(limits.is_open(late - Duration::from_nanos(1), false));
        assert!(!limits.is_open(late, false) && limits.is_open(late, true));
    }

    /// A sender with the maximum number of sessions can replace one of them in a full table.
    #[test]
    fn sender_replaces_session_in_full_table() {
        let sessions = Sessions::new(16, Duration::from_secs(600), Duration::from_secs(60), None);
        let begin = |id: usize, domain: &str| {
            let key = SessionKey {
                owner: format!("user@{domain}/home").parse().unwrap(),
                recipient: "bot.localhost".parse().unwrap(),
                node: "order".to_owned(),
            };
            sessions.begin(id.to_string(), key, Progress::default())
        };
        for id in 0..16 {
            begin(id, ["a.org", "b.org", "c.org", "d.org"][id % 4]).unwrap();
        }
        assert!(begin(16, "e.org").is_err());
        begin(17, "b.org").unwrap();
        assert!(!sessions.knows("1") && sessions.knows("5"));
        assert_eq!(sessions.open(), 16);
    }
}
