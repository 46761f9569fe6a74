//! Limits of command sessions, applied to the sessions of a component.

use std::cmp::Reverse;
use std::time::Duration;

use campanile::adhoc::SessionLimits;
use campanile::error::BoxError;
use tokio_postgres::Row;

/// The sessions of a component in one snapshot, as seen by a new one.
pub(super) struct Snapshot {
    pub(super) revision: i64,
    /// Number of sessions, including ended ones.
    stored: usize,
    /// All sessions of the sender's domain; all of the component if it has the maximum number.
    sessions: Vec<StoredSession>,
}

struct StoredSession {
    id: String,
    /// The sender of the new session has started it.
    is_of_sender: bool,
    is_of_domain: bool,
    age: Age,
}

/// The part of a row that decides whether the session is open.
pub(super) struct Age {
    has_ended: bool,
    waited: Duration,
    pub(super) is_busy: bool,
}

/// The changes that make room for a new session.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Sessions to end.
    pub(super) ended: Vec<String>,
    /// Sessions to delete.
    pub(super) dropped: Vec<String>,
}

impl Age {
    /// Reads the columns from `first` on.
    pub(super) fn read(row: &Row, first: usize) -> Result<Self, BoxError> {
        // Another process may have updated the row after the clock was read.
        let waited = u64::try_from(row.try_get::<_, i64>(first + 1)?).unwrap_or_default();
        Ok(Self {
            has_ended: row.try_get(first)?,
            waited: Duration::from_micros(waited),
            is_busy: row.try_get(first + 2)?,
        })
    }

    pub(super) fn is_open(&self, limits: &SessionLimits) -> bool {
        !self.has_ended && limits.is_open(self.waited, self.is_busy)
    }
}

impl StoredSession {
    fn read(row: &Row, id: String) -> Result<Self, BoxError> {
        Ok(Self {
            id,
            is_of_sender: row.try_get(3)?,
            is_of_domain: row.try_get(4)?,
            age: Age::read(row, 5)?,
        })
    }
}

impl Snapshot {
    pub(super) fn read(rows: &[Row]) -> Result<Self, BoxError> {
        let first = rows.first().ok_or("the table `total` is empty")?;
        let mut sessions = Vec::new();
        for row in rows {
            if let Some(id) = row.try_get(2)? {
                sessions.push(StoredSession::read(row, id)?);
            }
        }
        Ok(Self {
            revision: first.try_get(0)?,
            stored: usize::try_from(first.try_get::<_, i64>(1)?)?,
            sessions,
        })
    }

    /// Returns `None` if a limit is reached. Ended sessions are kept as long as there is room.
    pub(super) fn make_room(self, limits: &SessionLimits) -> Option<Room> {
        let is_full = self.stored >= limits.all;
        let (open, over): (Vec<_>, Vec<_>) = self
            .sessions
            .into_iter()
            .partition(|session| session.age.is_open(limits));
        // Below the maximum, ended sessions make no difference.
        let all = if is_full { open.len() } else { self.stored };
        let of_domain = open.iter().filter(|session| session.is_of_domain).count();
        let mut of_sender: Vec<_> = open
            .into_iter()
            .filter(|session| session.is_of_domain && session.is_of_sender)
            .collect();
        let ending = limits.admit(of_sender.len(), of_domain, all)?;
        of_sender.sort_by_key(|session| Reverse(session.age.waited));
        let ended = of_sender.into_iter().take(ending).map(|session| session.id);
        Some(if is_full {
            Room {
                dropped: over.into_iter().map(|over| over.id).chain(ended).collect(),
                ended: Vec::new(),
            }
        } else {
            Room {
                dropped: Vec::new(),
                ended: ended.collect(),
            }
        })
    }
}
