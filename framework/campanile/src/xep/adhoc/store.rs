//! Where sessions are kept that several processes on one JID share.

use async_trait::async_trait;
use jid::Jid;
use tokio::time::Duration;

use crate::error::BoxError;

/// Keeps the sessions of commands for several processes that are mounted on one JID: what one of
/// them has begun goes on at any ([`Commands::store`](super::Commands::store)).
///
/// There is the crate `campanile-storage` (feature `postgres`). Without a store a process keeps its sessions
/// itself.
///
/// What is kept of a session is a text: the steps that were shown, and what was filled in. The
/// forms are not in it; they are made anew, so a function that makes one must make the same of the
/// same. All processes must have the same commands.
///
/// Every call must be one step, whoever else calls at the same time.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Keeps a new session, which waits for its first step to be taken. When the bare JID has as
    /// many as it may, the one of them that waits longest is over.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn begin(
        &self,
        id: &str,
        key: &SessionKey,
        state: &str,
        bounds: &SessionLimits,
    ) -> Result<BeginOutcome, BoxError>;

    /// Takes a session to go on with it. Nobody else can until it is put back, or until the time
    /// for that is over.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn acquire(
        &self,
        id: &str,
        key: &SessionKey,
        bounds: &SessionLimits,
    ) -> Result<AcquireOutcome, BoxError>;

    /// Puts a session back that was taken as `turn`: with this state, or as one that is over. False
    /// when it has ended since, or was not put back in time and somebody else has taken it; then
    /// nothing has changed.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn release(&self, id: &str, turn: i64, state: Option<&str>) -> Result<bool, BoxError>;
}

/// Whose session it is, and of what: it is good for the very same three only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKey {
    /// Who began it. A full JID, for a client.
    pub owner: Jid,
    /// The address it was begun at.
    pub recipient: Jid,
    /// The node of the command.
    pub node: String,
}

/// How many sessions there may be, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Of all.
    pub all: usize,
    /// Of one domain.
    pub per_domain: usize,
    /// Of one bare JID. The oldest of them ends when it begins another one.
    pub per_sender: usize,
    /// How long a session may wait for its next step.
    pub timeout: Duration,
    /// How long a step may take. A session that is not put back by then, because the process is
    /// gone, can be taken again as it was.
    pub lease: Duration,
}

/// Whether a session was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeginOutcome {
    /// It was.
    Begun,
    /// There are too many.
    Full,
}

/// What became of the wish to go on with a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcquireOutcome {
    /// It is ours now.
    Acquired {
        /// Which turn it is, by which it is put back.
        turn: i64,
        /// How far it is.
        state: String,
    },
    /// Somebody is taking a step of it.
    Busy,
    /// It is done, cancelled or timed out.
    Ended,
    /// There is no such session, or it is somebody else's.
    Unknown,
}
