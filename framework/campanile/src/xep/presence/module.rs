//! Lifecycle of a roster: presence is announced on each new stream, and withdrawn on shutdown.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use jid::BareJid;
use tokio::time::Duration;

use super::pacing::Pacing;
use super::roster::{Inner, Roster, stanza};
use super::scan::Scan;
use super::{Availability, HalfState, Subscription, SubscriptionKey};
use crate::client::Client;
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::module::Module;
use crate::router::{Advertised, Filter, Router};
use crate::stanza::{Kind, PresenceType, Stanza};
use crate::xep::caps;

/// Presence types handled by a roster: subscriptions, probes and errors.
const HANDLED: [PresenceType; 6] = [
    PresenceType::Subscribe,
    PresenceType::Subscribed,
    PresenceType::Unsubscribe,
    PresenceType::Unsubscribed,
    PresenceType::Probe,
    PresenceType::Error,
];

/// Delay before presence is announced again from the start after the store has failed.
const RETRY: Duration = Duration::from_secs(30);

#[async_trait]
impl Module for Roster {
    fn name(&self) -> &'static str {
        "presence"
    }

    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
        let mut bots = self.inner.settings.bots.iter();
        let router = bots.try_fold(router, |router, bot| {
            router.try_at(bot.clone(), Router::new())
        })?;
        let router = if self.inner.settings.caps {
            router.feature(caps::NS)
        } else {
            router
        };
        Ok(router.on(
            Filter::kinds(HANDLED.map(Kind::Presence)),
            move |inbound: Inbound| {
                let inner = Arc::clone(&self.inner);
                async move { inner.handle(&inbound).await }
            },
        ))
    }

    fn advertised(&self, disco: &Advertised) {
        let mut known = self
            .inner
            .disco
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // A roster belongs to one component; if it is also mounted on another, it keeps to the
        // first. Once it is running, a call means that the modules of that component were replaced.
        if known.is_none() || self.inner.client.get().is_some() {
            *known = Some(disco.clone());
        }
    }

    async fn check(&self) -> Result<Vec<String>, BoxError> {
        self.inner.settings.store.check().await?;
        Ok(Vec::new())
    }

    async fn start(&self, client: Client) -> Result<(), BoxError> {
        self.inner.settings.store.open().await?;
        self.inner
            .client
            .set(client)
            .map_err(|_| "a roster can be mounted on one component only".into())
    }

    async fn online(&self, client: Client) {
        tokio::time::sleep(self.inner.settings.settle).await;
        while let Err(error) = self.inner.announce(&client).await {
            tracing::error!(%error, retry_in = ?RETRY, "presence announcement failed");
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn leave(&self, client: Client) {
        if client.has_peers() {
            tracing::info!("another process serves this JID; its addresses stay online");
            return;
        }
        if let Err(error) = self.inner.withdraw(&client).await {
            tracing::error!(%error, "failed to send unavailable presence to all subscribers");
        }
    }
}

impl Roster {
    /// Sets the availability of an address, and sends it to all subscribers at the [rate] of the
    /// roster.
    ///
    /// [rate]: super::RosterBuilder::per_second
    ///
    /// # Errors
    /// If the store cannot be read, or if the component is not running yet or has ended. The new
    /// availability is kept in any case.
    pub async fn set(&self, own: &BareJid, availability: Availability) -> Result<(), BoxError> {
        let inner = &self.inner;
        inner.set_availability(own.clone(), availability);
        let client = inner
            .client
            .get()
            .ok_or("the component of this roster is not running yet")?;
        let mut pacing = Pacing::new(inner.settings.per_second);
        let mut scan = Scan::new(&*inner.settings.store, Some(own));
        while let Some((key, subscription)) = scan.next().await? {
            if inner.is_subscriber(&key, subscription) {
                pacing.wait().await;
                client
                    .send(inner.broadcast(&key, &inner.availability(own))?)
                    .await?;
            }
        }
        Ok(())
    }
}

impl Inner {
    /// Announces all addresses and probes all contacts. Servers keep no presence for components
    /// (XEP-0114), so this is needed after each reconnect.
    async fn announce(&self, client: &Client) -> Result<(), BoxError> {
        let mut pacing = Pacing::new(self.settings.per_second);
        let mut scan = Scan::new(&*self.settings.store, None);
        while let Some((key, subscription)) = scan.next().await? {
            if !is_of(&key, client) || !self.exists(&key.own).await {
                continue;
            }
            for stanza in self.announcement(&key, subscription)? {
                pacing.wait().await;
                client.send(stanza).await?;
            }
        }
        Ok(())
    }

    /// Builds the stanzas for one peer on a new stream.
    fn announcement(
        &self,
        key: &SubscriptionKey,
        subscription: Subscription,
    ) -> Result<Vec<Stanza>, BoxError> {
        let availability = self.availability(&key.own);
        let mut stanzas = Vec::new();
        if self.is_subscriber(key, subscription) && availability.is_online() {
            stanzas.push(self.broadcast(key, &availability)?);
        }
        match subscription.to {
            HalfState::Subscribed => stanzas.push(stanza(key, PresenceType::Probe)),
            // RFC 6121 §3.1.2: repeat a request that may have been lost.
            HalfState::Pending => stanzas.push(stanza(key, PresenceType::Subscribe)),
            HalfState::None => {}
        }
        Ok(stanzas)
    }

    /// Sends unavailable presence to all subscribers. No server does this on behalf of a component.
    async fn withdraw(&self, client: &Client) -> Result<(), BoxError> {
        let previous = self.go_offline();
        let mut scan = Scan::new(&*self.settings.store, None);
        while let Some((key, subscription)) = scan.next().await? {
            if is_of(&key, client)
                && self.is_subscriber(&key, subscription)
                && previous.is_online(&key.own)
            {
                client
                    .send(self.broadcast(&key, &Availability::offline())?)
                    .await?;
            }
        }
        Ok(())
    }

    fn is_subscriber(&self, key: &SubscriptionKey, subscription: Subscription) -> bool {
        subscription.from == HalfState::Subscribed && !self.bounced_peers().contains(key)
    }

    /// Builds presence for all resources of the peer.
    fn broadcast(
        &self,
        key: &SubscriptionKey,
        availability: &Availability,
    ) -> Result<Stanza, BoxError> {
        Ok(self.presence(key, &key.peer.clone().into(), availability)?)
    }
}

/// Returns `true` if a subscription belongs to this component. A store may be shared by several.
fn is_of(key: &SubscriptionKey, client: &Client) -> bool {
    key.own.domain() == client.domain().domain()
}
