//! Exclusive access to a session in a store.

use std::sync::Arc;

use super::session_store::{AcquireOutcome, SessionKey, SessionLimits, SessionStore};
use crate::error::BoxError;

/// A session of a store that this instance holds, until it releases it or the lease expires.
pub(crate) struct Lease {
    store: Arc<dyn SessionStore>,
    id: String,
    turn: i64,
    state: String,
}

/// The reason why a session could not be acquired.
#[derive(Debug)]
pub(crate) enum LeaseError {
    /// Another request holds the session.
    Busy,
    /// The session is completed, canceled or timed out.
    Ended,
    /// No such session exists, or it belongs to another owner.
    Unknown,
    /// The store failed.
    Store(BoxError),
}

impl Lease {
    /// Acquires a session from a store.
    pub(crate) async fn acquire(
        store: &Arc<dyn SessionStore>,
        id: &str,
        key: &SessionKey,
        limits: &SessionLimits,
    ) -> Result<Self, LeaseError> {
        let outcome = store.acquire(id, key, limits).await;
        match outcome.map_err(LeaseError::Store)? {
            AcquireOutcome::Acquired { turn, state } => Ok(Self {
                store: Arc::clone(store),
                id: id.to_owned(),
                turn,
                state,
            }),
            AcquireOutcome::Busy => Err(LeaseError::Busy),
            AcquireOutcome::Ended => Err(LeaseError::Ended),
            AcquireOutcome::Unknown => Err(LeaseError::Unknown),
        }
    }

    /// Returns the state in which the session was acquired.
    pub(crate) fn state(&self) -> &str {
        &self.state
    }

    /// Releases the session: with a new state, or as ended if `state` is `None`.
    ///
    /// Changes nothing, and logs a warning, if the session has ended meanwhile or if another
    /// instance has acquired it.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub(crate) async fn release(&self, state: Option<&str>) -> Result<(), BoxError> {
        if !self.store.release(&self.id, self.turn, state).await? {
            tracing::warn!(
                session = self.id,
                "session ended or was acquired by another process before its step completed"
            );
        }
        Ok(())
    }
}
