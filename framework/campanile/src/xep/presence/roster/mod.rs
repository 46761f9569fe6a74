//! The roster: subscriptions and presence of a component's addresses.

mod builder;
mod state;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jid::BareJid;

pub use self::builder::RosterBuilder;
pub(super) use self::state::{Inner, stanza};
use super::{
    Availability, CompareAndSwap, PutOutcome, Subscription, SubscriptionKey, SubscriptionStore,
};
use crate::client::Client;
use crate::error::BoxError;
use crate::stanza::PresenceType;

/// The roster of a component: the subscriptions and presence of its addresses.
///
/// It is a [module](crate::module::Module), to be registered with the component, and a handle for
/// the program. Cloning is cheap; all clones are the same roster.
#[derive(Clone)]
pub struct Roster {
    pub(super) inner: Arc<Inner>,
}

impl Roster {
    /// Creates a roster for all routed addresses that accepts every request.
    #[must_use]
    pub fn new(store: impl SubscriptionStore) -> Self {
        Self::builder(store).build()
    }

    /// Creates a builder for a roster that keeps its subscriptions in this store.
    pub fn builder(store: impl SubscriptionStore) -> RosterBuilder {
        RosterBuilder::new(Arc::new(store))
    }

    /// Returns the subscription between an address and a peer.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn subscription(&self, key: &SubscriptionKey) -> Result<Subscription, BoxError> {
        self.inner.settings.store.get(key).await
    }

    /// Grants a pending subscription request. Without a pending request, it has no effect.
    ///
    /// # Errors
    /// If the store fails, or if the component is not running yet or has ended.
    pub async fn accept(&self, key: &SubscriptionKey) -> Result<(), BoxError> {
        if self.change(key, PresenceType::Subscribed).await? {
            self.send_presence(key).await?;
        }
        Ok(())
    }

    /// Refuses a pending subscription request, or cancels a subscription of a peer.
    ///
    /// # Errors
    /// If the store fails, or if the component is not running yet or has ended.
    pub async fn deny(&self, key: &SubscriptionKey) -> Result<(), BoxError> {
        self.change(key, PresenceType::Unsubscribed).await.map(drop)
    }

    /// Requests a subscription to the presence of a peer, which is then routed to handlers like any
    /// other presence.
    ///
    /// # Errors
    /// If the store fails or is full, or if the component is not running yet or has ended.
    pub async fn subscribe(&self, key: &SubscriptionKey) -> Result<(), BoxError> {
        self.change(key, PresenceType::Subscribe).await.map(drop)
    }

    /// Ends the subscription to the presence of a peer.
    ///
    /// # Errors
    /// If the store fails, or if the component is not running yet or has ended.
    pub async fn unsubscribe(&self, key: &SubscriptionKey) -> Result<(), BoxError> {
        self.change(key, PresenceType::Unsubscribe).await.map(drop)
    }

    /// Returns the current availability of an address.
    #[must_use]
    pub fn availability(&self, own: &BareJid) -> Availability {
        self.inner.availability(own)
    }

    /// Returns how many subscriptions were rejected because a limit was reached.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.inner.refused.load(Ordering::Relaxed)
    }

    /// Returns how many subscriptions are suspended because the peer has returned presence as an
    /// error.
    #[must_use]
    #[doc(hidden)]
    pub fn bounced_peers(&self) -> usize {
        self.inner.bounced_peers().len()
    }

    /// Makes an outbound change. Returns `true` if its stanza was sent.
    async fn change(&self, key: &SubscriptionKey, kind: PresenceType) -> Result<bool, BoxError> {
        let inner = &self.inner;
        let client = self.client()?;
        let passes = {
            let _lock = inner.lock(key).await;
            loop {
                let before = inner.settings.store.get(key).await?;
                let Some(after) = before.outbound(kind) else {
                    break false;
                };
                match inner.put(key, CompareAndSwap { before, after }).await? {
                    PutOutcome::Stored => break true,
                    PutOutcome::Full => return Err("too many subscriptions".into()),
                    PutOutcome::Conflict => {}
                }
            }
        };
        if passes {
            client.send(stanza(key, kind)).await?;
        }
        if passes && kind == PresenceType::Unsubscribed {
            // RFC 6121 §3.2.2: the former subscriber must not keep the address as online.
            client.send(stanza(key, PresenceType::Unavailable)).await?;
        }
        Ok(passes)
    }

    fn client(&self) -> Result<&Client, BoxError> {
        let client = self.inner.client.get();
        Ok(client.ok_or("the component of this roster is not running yet")?)
    }

    /// Sends the current presence to one peer.
    async fn send_presence(&self, key: &SubscriptionKey) -> Result<(), BoxError> {
        let client = self.client()?;
        let availability = self.inner.availability(&key.own);
        if availability.is_online() {
            client
                .send(
                    self.inner
                        .presence(key, &key.peer.clone().into(), &availability)?,
                )
                .await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster")
            .field("bounced_peers", &self.bounced_peers())
            .finish_non_exhaustive()
    }
}
