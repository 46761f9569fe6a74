//! Storage of subscriptions.

use async_trait::async_trait;
use jid::BareJid;
use serde::Deserialize;

use super::Subscription;
use crate::error::BoxError;
use crate::settings;

/// Largest limit that a configuration file may set.
const MAX_COUNT: u64 = 100_000_000;

/// A store for subscriptions. Each belongs to one of the component's addresses and one peer.
///
/// | implementation | use |
/// |---|---|
/// | [`MemoryStore`](super::MemoryStore) | tests; subscriptions are lost when the process ends |
/// | crate `campanile-storage` (feature `sqlite`) | a single process |
/// | crate `campanile-storage` (feature `postgres`) | several processes on one JID |
#[async_trait]
pub trait SubscriptionStore: Send + Sync + 'static {
    /// Checks that the store could be opened, without changing anything.
    ///
    /// # Errors
    /// If the store cannot be used.
    async fn check(&self) -> Result<(), BoxError> {
        Ok(())
    }

    /// Opens the store. Called once, before the component connects.
    ///
    /// # Errors
    /// If the store cannot be used. The component then fails to start.
    async fn open(&self) -> Result<(), BoxError> {
        Ok(())
    }

    /// Returns the subscription of a key, or [`Subscription::NONE`] if none is stored.
    ///
    /// # Errors
    /// If the store cannot be read.
    async fn get(&self, key: &SubscriptionKey) -> Result<Subscription, BoxError>;

    /// Replaces a subscription atomically, if it still equals [`CompareAndSwap::before`].
    ///
    /// A subscription that becomes [`Subscription::NONE`] is deleted. A new key that would exceed
    /// the limits is not stored. On [`PutOutcome::Conflict`], which means that another process on
    /// the same JID was faster, the caller reads the subscription and decides again.
    ///
    /// # Errors
    /// If the store cannot be written.
    async fn put(
        &self,
        key: &SubscriptionKey,
        change: CompareAndSwap,
        limits: &SubscriptionLimits,
    ) -> Result<PutOutcome, BoxError>;

    /// Lists up to `most` subscriptions that follow `after` in a fixed order: of one address, or of
    /// all if `own` is `None`.
    ///
    /// # Errors
    /// If the store cannot be read.
    async fn list(
        &self,
        own: Option<&BareJid>,
        after: Option<&SubscriptionKey>,
        most: usize,
    ) -> Result<Vec<(SubscriptionKey, Subscription)>, BoxError>;
}

/// The key of a subscription: one of the component's addresses and a peer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionKey {
    /// The component's address.
    pub own: BareJid,
    /// The peer.
    pub peer: BareJid,
}

/// A change of a subscription, as passed to [`SubscriptionStore::put`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompareAndSwap {
    /// The subscription that was read.
    pub before: Subscription,
    /// The subscription to store.
    pub after: Subscription,
}

/// The result of [`SubscriptionStore::put`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The subscription was stored.
    Stored,
    /// Not stored: a limit is reached.
    Full,
    /// Not stored: the subscription changed since it was read.
    Conflict,
}

/// Limits on the number of subscriptions. Any user of the federation can request a subscription, so
/// these limits protect the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SubscriptionLimits {
    /// Maximum per peer, over all addresses of the component. Defaults to 256.
    #[serde(deserialize_with = "settings::count::<_, _, 1, MAX_COUNT>")]
    pub per_peer: usize,
    /// Maximum for all peers of one domain. Defaults to 10,000. Raise it if most users belong to
    /// one domain.
    #[serde(deserialize_with = "settings::count::<_, _, 1, MAX_COUNT>")]
    pub per_domain: usize,
    /// Maximum in total. Defaults to 100,000.
    #[serde(deserialize_with = "settings::count::<_, _, 1, MAX_COUNT>")]
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
    /// Returns `true` if one more subscription is within the limits, given the current numbers.
    #[must_use]
    pub fn admit(&self, of_peer: usize, of_domain: usize, all: usize) -> bool {
        of_peer < self.per_peer && of_domain < self.per_domain && all < self.all
    }
}
