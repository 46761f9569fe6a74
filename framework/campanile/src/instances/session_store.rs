//! Storage of sessions that are shared by several processes on one JID.

use async_trait::async_trait;
use jid::Jid;
use tokio::time::Duration;

use crate::error::BoxError;

/// A store for command sessions that are shared by several processes on one JID.
///
/// With a store ([`Commands::store`]), a session that one process has started can be continued by
/// any other. Without one, each process keeps its own sessions in memory. The crate
/// `campanile-storage` (feature `postgres`) provides an implementation.
///
/// A session is stored as text: the steps shown and the values entered. Forms are not stored but
/// built again, so a [step handler] must build the same form from the same values. All processes
/// must define the same commands.
///
/// Every method must be atomic with respect to concurrent calls from other processes.
///
/// [`Commands::store`]: crate::adhoc::Commands::store
/// [step handler]: crate::adhoc::Command::step
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Stores a new session that waits for its first step.
    ///
    /// [`SessionLimits::admit`] decides whether it can start, and how many other sessions of the
    /// bare JID end.
    ///
    /// # Errors
    /// If the store cannot be written.
    async fn begin(
        &self,
        id: &str,
        key: &SessionKey,
        state: &str,
        limits: &SessionLimits,
    ) -> Result<BeginOutcome, BoxError>;

    /// Acquires a session exclusively, until it is [released](Self::release) or
    /// [`SessionLimits::lease`] has passed. [`SessionLimits::is_open`] decides whether it has timed
    /// out.
    ///
    /// # Errors
    /// If the store cannot be written.
    async fn acquire(
        &self,
        id: &str,
        key: &SessionKey,
        limits: &SessionLimits,
    ) -> Result<AcquireOutcome, BoxError>;

    /// Releases a session that was acquired as `turn`: with a new state, or as ended if `state` is
    /// `None`.
    ///
    /// Returns `false`, and changes nothing, if the session has ended meanwhile, or if its lease
    /// expired and another process acquired it.
    ///
    /// # Errors
    /// If the store cannot be written.
    async fn release(&self, id: &str, turn: i64, state: Option<&str>) -> Result<bool, BoxError>;
}

/// The owner, address and command of a session. All three must match for a session to be continued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKey {
    /// The JID that started the session. A full JID if it is a client.
    pub owner: Jid,
    /// The address at which the session was started.
    pub recipient: Jid,
    /// The node of the command.
    pub node: String,
}

/// Limits on the number and duration of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Maximum number of sessions in total.
    pub all: usize,
    /// Maximum number of sessions per domain.
    pub per_domain: usize,
    /// Maximum number of sessions per bare JID. Starting another one ends the oldest.
    pub per_sender: usize,
    /// Maximum time a session waits for its next step.
    pub timeout: Duration,
    /// Maximum time a process may hold a session. If it is not released by then, because the
    /// process has died, the session can be acquired again in its previous state.
    pub lease: Duration,
}

impl SessionLimits {
    /// Returns `true` if a session that has not ended is open: one of its steps is being handled
    /// (`busy`), or it has `waited` for its next step for less than [`timeout`](Self::timeout).
    #[must_use]
    pub fn is_open(&self, waited: Duration, busy: bool) -> bool {
        busy || waited < self.timeout
    }

    /// Returns how many sessions of the sender must end before a new one starts, given the current
    /// numbers of open sessions. Returns `None` if a limit is reached.
    ///
    /// The sessions that have waited longest end first.
    #[must_use]
    pub fn admit(&self, of_sender: usize, of_domain: usize, all: usize) -> Option<usize> {
        let ending = (of_sender + 1)
            .saturating_sub(self.per_sender)
            .min(of_sender);
        let fits = of_domain.saturating_sub(ending) < self.per_domain
            && all.saturating_sub(ending) < self.all;
        fits.then_some(ending)
    }
}

/// The result of [`SessionStore::begin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeginOutcome {
    /// The session is stored.
    Started,
    /// The session limit is reached.
    Full,
}

/// The result of [`SessionStore::acquire`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcquireOutcome {
    /// The caller holds the session.
    Acquired {
        /// Fencing token, to be passed to [`SessionStore::release`]. It grows with each
        /// acquisition.
        turn: i64,
        /// The stored state.
        state: String,
    },
    /// Another request holds the session.
    Busy,
    /// The session is completed, canceled or timed out.
    Ended,
    /// No such session exists, or it belongs to another owner.
    Unknown,
}
