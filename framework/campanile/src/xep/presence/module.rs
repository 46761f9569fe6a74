//! The life of a roster: presence is built anew with each stream, and taken back at the end.

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

/// What a roster takes: subscriptions, probes, and presence that came back.
const TAKEN: [PresenceType; 6] = [
    PresenceType::Subscribe,
    PresenceType::Subscribed,
    PresenceType::Unsubscribe,
    PresenceType::Unsubscribed,
    PresenceType::Probe,
    PresenceType::Error,
];

/// How long to wait for a store that has failed, before presence is built anew from the beginning.
const RETRY: Duration = Duration::from_secs(30);

#[async_trait]
impl Module for Roster {
    fn name(&self) -> &'static str {
        "presence"
    }

    fn mount(self: Arc<Self>, router: Router) -> Router {
        let bots = self.inner.settings.bots.iter();
        let router = bots.fold(router, |router, bot| router.at(bot.clone(), Router::new()));
        let router = if self.inner.settings.caps {
            router.feature(caps::NS)
        } else {
            router
        };
        router.on(
            Filter::kinds(TAKEN.map(Kind::Presence)),
            move |inbound: Inbound| {
                let inner = Arc::clone(&self.inner);
                async move { inner.handle(&inbound).await }
            },
        )
    }

    fn advertised(&self, disco: &Advertised) {
        let mut known = self
            .inner
            .disco
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // A roster belongs to one component; mounted on another one too, it keeps to the first.
        // Once it runs, this is the first one again, with other modules beside it.
        if known.is_none() || self.inner.client.get().is_some() {
            *known = Some(disco.clone());
        }
    }

    async fn start(&self, client: Client) -> Result<(), BoxError> {
        self.inner.settings.store.open().await?;
        self.inner
            .client
            .set(client)
            .map_err(|_| "a roster belongs to one component".into())
    }

    async fn online(&self, client: Client) {
        tokio::time::sleep(self.inner.settings.settle).await;
        while let Err(error) = self.inner.rebuild(&client).await {
            tracing::error!(%error, "presence is not complete: tried again in {} s", RETRY.as_secs());
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn leave(&self, client: Client) {
        if client.has_peers() {
            tracing::info!("another process is mounted on this JID: its addresses stay online");
            return;
        }
        if let Err(error) = self.inner.take_back(&client).await {
            tracing::error!(%error, "not everybody is told that we are gone");
        }
    }
}

impl Roster {
    /// Changes what an address of ours says about itself, and tells all who see it, at the [pace]
    /// of the roster.
    ///
    /// [pace]: super::RosterBuilder::per_second
    ///
    /// # Errors
    /// When the store cannot be read, or the component has ended.
    pub async fn set(&self, own: &BareJid, availability: Availability) -> Result<(), BoxError> {
        let inner = &self.inner;
        inner.set_availability(own.clone(), availability);
        let client = inner
            .client
            .get()
            .ok_or("the component of this roster does not run yet")?;
        let mut pace = Pacing::new(inner.settings.per_second);
        let mut pairs = Scan::new(&*inner.settings.store, Some(own));
        while let Some((pair, subscription)) = pairs.next().await? {
            if inner.sees_us(&pair, subscription) {
                pace.wait().await;
                client
                    .send(inner.to_all(&pair, &inner.availability(own))?)
                    .await?;
            }
        }
        Ok(())
    }
}

impl Inner {
    /// XEP-0114 knows no presence: after a reconnect nobody knows of us, and we know of nobody.
    async fn rebuild(&self, client: &Client) -> Result<(), BoxError> {
        let mut pace = Pacing::new(self.settings.per_second);
        let mut pairs = Scan::new(&*self.settings.store, None);
        while let Some((pair, subscription)) = pairs.next().await? {
            if !is_of(&pair, client) || !self.exists(&pair.own).await {
                continue;
            }
            for stanza in self.anew(&pair, subscription)? {
                pace.wait().await;
                client.send(stanza).await?;
            }
        }
        Ok(())
    }

    /// What one peer is sent on a new stream.
    fn anew(
        &self,
        pair: &SubscriptionKey,
        subscription: Subscription,
    ) -> Result<Vec<Stanza>, BoxError> {
        let availability = self.availability(&pair.own);
        let mut stanzas = Vec::new();
        if self.sees_us(pair, subscription) && availability.is_online() {
            stanzas.push(self.to_all(pair, &availability)?);
        }
        match subscription.to {
            HalfState::Subscribed => stanzas.push(stanza(pair, PresenceType::Probe)),
            // RFC 6121 §3.1.2: a request that was lost is made again.
            HalfState::Pending => stanzas.push(stanza(pair, PresenceType::Subscribe)),
            HalfState::None => {}
        }
        Ok(stanzas)
    }

    /// Nobody else says on our behalf that we are gone.
    async fn take_back(&self, client: &Client) -> Result<(), BoxError> {
        let told = self.leave();
        let mut pairs = Scan::new(&*self.settings.store, None);
        while let Some((pair, subscription)) = pairs.next().await? {
            if is_of(&pair, client)
                && self.sees_us(&pair, subscription)
                && told.is_online(&pair.own)
            {
                client
                    .send(self.to_all(&pair, &Availability::offline())?)
                    .await?;
            }
        }
        Ok(())
    }

    fn sees_us(&self, pair: &SubscriptionKey, subscription: Subscription) -> bool {
        subscription.from == HalfState::Subscribed && !self.bounced_peers().contains(pair)
    }

    /// Presence for all resources of the peer.
    fn to_all(
        &self,
        pair: &SubscriptionKey,
        availability: &Availability,
    ) -> Result<Stanza, BoxError> {
        Ok(self.presence(pair, &pair.peer.clone().into(), availability)?)
    }
}

/// Whether a pair is this component's: a store may be that of several.
fn is_of(pair: &SubscriptionKey, client: &Client) -> bool {
    pair.own.domain() == client.domain().domain()
}
