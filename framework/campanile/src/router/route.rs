//! The boxed form of every route.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use super::Advertised;
use crate::error::BoxError;
use crate::extract::FromInbound;
use crate::handler::{Handler, ReplyFuture};
use crate::inbound::Inbound;
use crate::reply::{IntoReply, Reply};
use crate::slow_handlers::RouteStats;

/// A boxed handler or service: what layers are applied to.
///
/// A route is always ready. If the service within it is not, the future of the call waits for it,
/// so one route at capacity does not block the others.
#[derive(Clone)]
pub struct Route(Arc<dyn Endpoint>);

pub(super) trait Endpoint: Send + Sync {
    fn call(&self, inbound: Inbound) -> ReplyFuture;
}

impl Route {
    /// Creates a route from a service.
    pub fn new<T>(service: T) -> Self
    where
        T: Service<Inbound> + Clone + Send + Sync + 'static,
        T::Response: IntoReply,
        T::Error: Into<BoxError>,
        T::Future: Send + 'static,
    {
        Self(Arc::new(ServiceEndpoint(service)))
    }

    pub(super) fn from_endpoint(endpoint: impl Endpoint + 'static) -> Self {
        Self(Arc::new(endpoint))
    }

    pub(super) fn handler<H, A, S>(handler: H, state: S) -> Self
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoReply,
        H::Future: Send,
        S: Send + Sync + 'static,
    {
        let stats = RouteStats::new(std::any::type_name::<H>(), false);
        Self(Arc::new(HandlerEndpoint {
            handler,
            state,
            stats,
            arguments: PhantomData,
        }))
    }

    /// Handles one stanza.
    #[doc(hidden)]
    pub fn handle(&self, inbound: Inbound) -> ReplyFuture {
        self.0.call(inbound)
    }
}

impl Service<Inbound> for Route {
    type Response = Reply;
    type Error = BoxError;
    type Future = ReplyFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, inbound: Inbound) -> ReplyFuture {
        self.0.call(inbound)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Route")
    }
}

/// A handler. It is always ready, so it is called in place.
struct HandlerEndpoint<H, A, S> {
    handler: H,
    state: S,
    stats: Arc<RouteStats>,
    arguments: PhantomData<fn(A)>,
}

impl<H, A, S> Endpoint for HandlerEndpoint<H, A, S>
where
    H: Handler<A>,
    A: FromInbound<S>,
    H::Output: IntoReply,
    H::Future: Send,
    S: Send + Sync + 'static,
{
    fn call(&self, inbound: Inbound) -> ReplyFuture {
        self.stats.record_call(inbound.called_route());
        // Extract before boxing, so that the future holds only the arguments and not the stanza as
        // well.
        match A::from_inbound(&inbound, &self.state) {
            Ok(arguments) => {
                let answer = self.handler.call(arguments);
                ReplyFuture::new(async move { answer.await.into_reply() })
            }
            Err(rejection) => ReplyFuture::ready(Err(rejection.into())),
        }
    }
}

/// A service. It is cloned for each call and called once the clone is ready.
struct ServiceEndpoint<T>(T);

impl<T> Endpoint for ServiceEndpoint<T>
where
    T: Service<Inbound> + Clone + Send + Sync + 'static,
    T::Response: IntoReply,
    T::Error: Into<BoxError>,
    T::Future: Send + 'static,
{
    fn call(&self, inbound: Inbound) -> ReplyFuture {
        let mut service = self.0.clone();
        // Most services are always ready, and their call needs no future that holds the stanza.
        // The others are asked again, with a waker that wakes something.
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {
                let response = service.call(inbound);
                ReplyFuture::new(async move { response.await.map_err(Into::into)?.into_reply() })
            }
            Poll::Ready(Err(error)) => ReplyFuture::ready(Err(error.into())),
            Poll::Pending => ReplyFuture::new(async move {
                let response = service.oneshot(inbound).await;
                response.map_err(Into::into)?.into_reply()
            }),
        }
    }
}

/// A route that may still need its state.
pub(super) enum Pending<S> {
    Ready(Route),
    Waiting(Arc<dyn Fn(&S) -> Route + Send + Sync>),
    Builtin(Builtin),
}

/// A built-in handler that replies immediately, from what the router advertises.
pub(crate) type Builtin = fn(&Inbound, &Advertised) -> Result<Reply, BoxError>;

/// A route that is ready to be called.
pub(super) enum Target {
    Route(Route),
    Builtin(Builtin),
}

impl<S: 'static> Pending<S> {
    pub(super) fn handler<H, A>(handler: H) -> Self
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoReply,
        H::Future: Send,
        S: Clone + Send + Sync,
    {
        Self::Waiting(Arc::new(move |state| {
            Route::handler(handler.clone(), state.clone())
        }))
    }

    pub(super) fn target(&self, state: &S) -> Target {
        match self {
            Self::Ready(route) => Target::Route(route.clone()),
            Self::Waiting(make) => Target::Route(make(state)),
            Self::Builtin(builtin) => Target::Builtin(*builtin),
        }
    }

    pub(super) fn ready<S2>(&self, state: &S) -> Pending<S2> {
        match self.target(state) {
            Target::Route(route) => Pending::Ready(route),
            Target::Builtin(builtin) => Pending::Builtin(builtin),
        }
    }

    pub(super) fn layer<L>(self, layer: &Arc<L>) -> Self
    where
        L: Layer<Route> + Send + Sync + 'static,
        L::Service: Service<Inbound> + Clone + Send + Sync + 'static,
        <L::Service as Service<Inbound>>::Response: IntoReply,
        <L::Service as Service<Inbound>>::Error: Into<BoxError>,
        <L::Service as Service<Inbound>>::Future: Send + 'static,
    {
        match self {
            Self::Ready(route) => Self::Ready(Route::new(layer.layer(route))),
            Self::Waiting(make) => {
                let layer = Arc::clone(layer);
                Self::Waiting(Arc::new(move |state| Route::new(layer.layer(make(state)))))
            }
            Self::Builtin(builtin) => Self::Builtin(builtin),
        }
    }
}

impl<S> Clone for Pending<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Ready(route) => Self::Ready(route.clone()),
            Self::Waiting(make) => Self::Waiting(Arc::clone(make)),
            Self::Builtin(builtin) => Self::Builtin(*builtin),
        }
    }
}
