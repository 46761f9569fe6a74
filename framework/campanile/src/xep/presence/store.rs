//! Where subscriptions are kept.

use async_trait::async_trait;
use jid::BareJid;

use super::Subscription;
use crate::error::BoxError;

/// Keeps subscriptions, each of a pair of an address of ours and a peer.
///
/// There is [`MemoryStore`](super::MemoryStore), which forgets everything with the process, the
/// crate `campanile-storage` (feature `sqlite`), and `campanile-storage` (feature `postgres`) for several processes on
/// one JID.
#[async_trait]
pub trait SubscriptionStore: Send + Sync + 'static {
    /// Called once, before the component connects.
    ///
    /// # Errors
    /// When the store cannot be used: then the component does not start.
    async fn open(&self) -> Result<(), BoxError> {
        Ok(())
    }

    /// The subscription of a pair; [`Subscription::NONE`] when none is known.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn get(&self, pair: &SubscriptionKey) -> Result<Subscription, BoxError>;

    /// Puts one subscription of a pair in the place of another, and forgets it when it is
    /// [`Subscription::NONE`]. A pair that is not known yet and does not fit into the bounds is not
    /// kept.
    ///
    /// It is what [`get`](Self::get) gave that is replaced, and nothing else: where another process
    /// on the same JID has been faster, the decision is to be made anew.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn put(
        &self,
        pair: &SubscriptionKey,
        change: CompareAndSwap,
        bounds: &SubscriptionLimits,
    ) -> Result<PutOutcome, BoxError>;

    /// Up to so many pairs behind `after`, of one address of ours or of all, in a fixed order.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn list(
        &self,
        own: Option<&BareJid>,
        after: Option<&SubscriptionKey>,
        most: usize,
    ) -> Result<Vec<(SubscriptionKey, Subscription)>, BoxError>;
}

/// An address of ours and a peer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionKey {
    /// The address of ours.
    pub own: BareJid,
    /// The peer.
    pub peer: BareJid,
}

/// A subscription in the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompareAndSwap {
    /// What was read.
    pub before: Subscription,
    /// What is to be kept.
    pub after: Subscription,
}

/// Whether a pair was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// It was.
    Stored,
    /// There is no room for a new one.
    Full,
    /// It was not: what is there is not what was read.
    Conflict,
}

/// How many pairs there may be. Strangers make them: all of these are bounds on what strangers can
/// fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionLimits {
    /// Of one peer, with all addresses of ours. 256 unless said.
    pub per_peer: usize,
    /// Of all peers of one domain. 10,000 unless said; more where that is the domain of one's own
    /// users.
    pub per_domain: usize,
    /// Of everybody. 100,000 unless said.
    pub all: usize,
}

impl Default for SubscriptionLimits {
    fn default() -> Self {
        Self {
            per_peer: 256,
            per_domain: 10_000,
            all: 100_000,
        }
    }
}

impl SubscriptionLimits {
    /// Whether one more fits, given how many there are.
    #[must_use]
    pub fn admit(&self, of_peer: usize, of_domain: usize, all: usize) -> bool {
        of_peer < self.per_peer && of_domain < self.per_domain && all < self.all
    }
}
