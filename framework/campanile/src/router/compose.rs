//! Routers made of routers.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tower_layer::Layer;
use tower_service::Service;

use super::advertise::{Advert, AdvertKind};
use super::{Entry, Inner, OverlapError, RecipientPattern, Route, Router};
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::reply::IntoReply;
use crate::xep::receipts::{self, ReceiptsLayer};

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// Adds the routes of another router for these recipients only: a localpart (`"bot"`), the
    /// beginning of one (`"order-{id}"`), any localpart (`"{user}"`), the domain itself (`"@"`),
    /// some of them with a resource (`"{user}/{device}"`); [`RecipientPattern`] has the whole list.
    /// An argument of type [`Localpart`](crate::extract::Localpart) is what stands for the placeholders.
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
    /// When a route of the other router is for recipients outside of these, or equals one that is
    /// here already; when a text is no pattern.
    #[must_use]
    #[track_caller]
    #[doc(alias = "nest")]
    pub fn at<R>(self, recipient: R, mut router: Self) -> Self
    where
        R: TryInto<RecipientPattern>,
        R::Error: fmt::Display,
    {
        // Not in closures: a panic there would not be at the caller's line.
        let recipient = match recipient.try_into() {
            Ok(recipient) => recipient,
            Err(error) => panic!("{error}"),
        };
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
                panic!("a route for {pattern} can never match below {recipient}");
            };
            *pattern = narrowed;
        }
        self.merge(router)
    }

    /// Adds the routes of another router.
    ///
    /// # Panics
    /// When two routes overlap.
    #[must_use]
    #[track_caller]
    pub fn merge(self, other: Self) -> Self {
        match self.try_merge(other) {
            Ok(router) => router,
            Err(overlap) => panic!("{overlap}"),
        }
    }

    /// Adds the routes of another router, for routers that a configuration chooses.
    ///
    /// # Errors
    /// When two routes overlap.
    pub fn try_merge(mut self, mut other: Self) -> Result<Self, OverlapError> {
        let inner = self.edit();
        let other = std::mem::take(other.edit());
        for entry in other.entries {
            inner.push(entry)?;
        }
        inner.adverts.extend(other.adverts);
        Ok(self)
    }

    /// Puts a layer around every route registered so far, around each on its own.
    ///
    /// The layer's service may have any error: it becomes a stanza error by
    /// [`into_stanza_error`](crate::error::into_stanza_error). Its readiness is waited for in the future of the call. To share
    /// one limit among all routes, put the layer around the whole router.
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Send + Sync + 'static,
        L::Service: Service<Inbound> + Clone + Send + Sync + 'static,
        <L::Service as Service<Inbound>>::Response: IntoReply,
        <L::Service as Service<Inbound>>::Error: Into<BoxError>,
        <L::Service as Service<Inbound>>::Future: Send + 'static,
    {
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

    /// Confirms messages (XEP-0184) that a route registered so far has taken, to who asks for it: a
    /// [`ReceiptsLayer`] and the feature that belongs to it.
    #[must_use]
    pub fn receipts(self) -> Self {
        self.layer(ReceiptsLayer).feature(receipts::NS)
    }

    /// Runs every route registered so far in a task of its own for each stanza: for handlers that
    /// compute for long before they first wait. A route that was seen to hold up the others is
    /// treated like this from then on.
    #[must_use]
    pub fn spawn(mut self) -> Self {
        self.edit()
            .entries
            .iter_mut()
            .for_each(|entry| entry.spawned = true);
        self
    }

    /// Gives the handlers registered so far their state. Handlers that lack another may follow.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "a state is handed over")]
    pub fn with_state<S2>(mut self, state: S) -> Router<S2> {
        let inner = std::mem::take(self.edit());
        let ready = |entry: Entry<S>| Entry {
            route: entry.route.ready(&state),
            tier: entry.tier,
            filter: entry.filter,
            requirements: entry.requirements,
            spawned: entry.spawned,
            hidden: entry.hidden,
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
