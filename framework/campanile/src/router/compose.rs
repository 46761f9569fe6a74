//! Composition of routers: nesting, merging, layers and state.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use tower_layer::Layer;
use tower_service::Service;

use super::advertise::{Advert, AdvertKind};
use super::{Entry, Inner, NestError, OverlapError, RecipientPattern, Route, Router, Tier};
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::layer::AccessLayer;
use crate::reply::IntoReply;
use crate::xep::receipts::{self, ReceiptsLayer};

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// Adds the routes of another router, restricted to recipients that match a pattern.
    ///
    /// The pattern is a localpart (`"bot"`), a prefix (`"order-{id}"`), any localpart (`"{user}"`)
    /// or the bare domain (`"@"`), optionally with a resource (`"{user}/{device}"`). See
    /// [`RecipientPattern`] for the full syntax. Handlers read the placeholders with the
    /// [`Localpart`](crate::extract::Localpart) extractor.
    ///
    /// ```
    /// use campanile::extract::Localpart;
    /// use campanile::router::Router;
    ///
    /// async fn order(Localpart(id): Localpart<u32>) -> String { format!("order {id}") }
    ///
    /// let orders = Router::new().message(order);
    /// let router: Router = Router::new().at("order-{id}", orders);
    /// ```
    ///
    /// # Panics
    /// If the text is not a valid pattern, if a route of the other router can never match within
    /// it, or if a route overlaps one that is already registered.
    #[must_use]
    #[track_caller]
    #[doc(alias = "nest")]
    pub fn at<R>(self, recipient: R, router: Self) -> Self
    where
        R: TryInto<RecipientPattern>,
        R::Error: fmt::Display,
    {
        match self.try_at(recipient, router) {
            Ok(router) => router,
            Err(error) => panic!("{error}"),
        }
    }

    /// Adds the routes of another router, restricted to recipients that match a pattern. Use this
    /// instead of [`at`](Router::at) if the recipient comes from a configuration.
    ///
    /// # Errors
    /// Returns an error if the text is not a valid pattern, if a route of the other router can
    /// never match within it, or if a route overlaps one that is already registered.
    pub fn try_at<R>(self, recipient: R, mut router: Self) -> Result<Self, NestError>
    where
        R: TryInto<RecipientPattern>,
        R::Error: fmt::Display,
    {
        let recipient = recipient
            .try_into()
            .map_err(|error| NestError::Recipient(error.to_string()))?;
        let inner = router.edit();
        inner
            .adverts
            .push(Advert::new(AdvertKind::Address).hidden(inner.is_hidden()));
        let patterns = inner
            .entries
            .iter_mut()
            .map(|entry| &mut entry.filter.recipient);
        let patterns = patterns.chain(inner.adverts.iter_mut().map(|advert| &mut advert.recipient));
        for pattern in patterns {
            let Some(narrowed) = pattern.within(&recipient) else {
                return Err(NestError::Unreachable {
                    route: pattern.to_string(),
                    recipient: recipient.to_string(),
                });
            };
            *pattern = narrowed;
        }
        self.try_merge(router).map_err(NestError::Overlap)
    }

    /// Adds the routes of another router.
    ///
    /// # Panics
    /// If two routes overlap.
    #[must_use]
    #[track_caller]
    pub fn merge(self, other: Self) -> Self {
        match self.try_merge(other) {
            Ok(router) => router,
            Err(overlap) => panic!("{overlap}"),
        }
    }

    /// Adds the routes of another router. Use this instead of [`merge`](Router::merge) if the
    /// routers are selected at run time, for example by a configuration file.
    ///
    /// # Errors
    /// Returns an error if two routes overlap.
    pub fn try_merge(mut self, mut other: Self) -> Result<Self, OverlapError> {
        let inner = self.edit();
        let other = std::mem::take(other.edit());
        for entry in other.entries {
            inner.push(entry)?;
        }
        inner.adverts.extend(other.adverts);
        Ok(self)
    }

    /// Returns a route that takes messages away from the other router, or the other way round,
    /// although the two can be merged: their routes differ only in the types of messages.
    pub(crate) fn contested_by(&self, other: &Self) -> Option<OverlapError> {
        let contested = |(own, theirs): &(&Entry<S>, &Entry<S>)| {
            own.tier == theirs.tier && own.filter.contests(&theirs.filter)
        };
        let pairs = self.inner.entries.iter();
        let pairs =
            pairs.flat_map(|own| other.inner.entries.iter().map(move |theirs| (own, theirs)));
        pairs.clone().find(contested).map(|(own, theirs)| {
            OverlapError::new(&own.filter, &theirs.filter, own.tier == Tier::Fallback)
        })
    }

    /// Applies a layer to every route registered so far, to each of them separately.
    ///
    /// The error of the layer's service is converted to a stanza error by
    /// [`into_stanza_error`](crate::error::into_stanza_error). If the service is not ready, the
    /// future of the call waits for it. To share one limit among all routes, apply the layer to the
    /// router as a whole.
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Send + Sync + 'static,
        L::Service: Service<Inbound> + Clone + Send + Sync + 'static,
        <L::Service as Service<Inbound>>::Response: IntoReply,
        <L::Service as Service<Inbound>>::Error: Into<BoxError>,
        <L::Service as Service<Inbound>>::Future: Send + 'static,
    {
        let access = (&layer as &dyn Any).downcast_ref::<AccessLayer>().cloned();
        if let Some(access) = access {
            self = self.listed_for(&access);
        }
        let layer = Arc::new(layer);
        let inner = self.edit();
        let entries = std::mem::take(&mut inner.entries).into_iter();
        inner.entries = entries
            .map(|entry| Entry {
                route: entry.route.layer(&layer),
                ..entry
            })
            .collect();
        self
    }

    /// Lists the text commands registered so far only for senders that this access allows.
    pub(crate) fn listed_for(mut self, access: &AccessLayer) -> Self {
        for entry in &mut self.edit().entries {
            entry.access.push(access.clone());
        }
        self
    }

    /// Sends delivery receipts (XEP-0184) for messages that the routes registered so far have
    /// accepted.
    ///
    /// Applies a [`ReceiptsLayer`] and advertises its feature.
    #[must_use]
    pub fn receipts(self) -> Self {
        self.layer(ReceiptsLayer).feature(receipts::NS)
    }

    /// Runs each call of the routes registered so far in its own task.
    ///
    /// Use this for handlers that compute for a long time before their first `.await` and would
    /// block the dispatcher. A route that is observed to block other stanzas is spawned
    /// automatically, until it is fast again.
    ///
    /// On a multi-threaded runtime, a task that blocks delays only its own lane, as with
    /// [`block_in_place`](tokio::task::block_in_place).
    #[must_use]
    pub fn spawn(mut self) -> Self {
        self.edit()
            .entries
            .iter_mut()
            .for_each(|entry| entry.spawned = true);
        self
    }

    /// Provides the state to the handlers registered so far. Handlers added later can use another
    /// state.
    #[must_use]
    #[allow(
        clippy::needless_pass_by_value,
        reason = "the router takes ownership of its state"
    )]
    pub fn with_state<S2>(mut self, state: S) -> Router<S2> {
        let inner = std::mem::take(self.edit());
        let ready = |entry: Entry<S>| Entry {
            route: entry.route.ready(&state),
            tier: entry.tier,
            filter: entry.filter,
            requirements: entry.requirements,
            spawned: entry.spawned,
            hidden: entry.hidden,
            access: entry.access,
        };
        let entries = inner.entries.into_iter().map(ready).collect();
        Router {
            inner: Arc::new(Inner {
                entries,
                adverts: inner.adverts,
                table: OnceLock::new(),
            }),
        }
    }
}
