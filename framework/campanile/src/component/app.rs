//! The service of a component behind one type: its routes, with the layers around them.

use std::fmt;
use std::task::{Context, Poll};

use tokio::time::Duration;
use tower_service::Service;

use crate::error::BoxError;
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;
use crate::reply::Reply;
use crate::router::Router;

/// The routes of a component, or the service in their place, with the layers added so far: what
/// [`ComponentBuilder::layer`](super::ComponentBuilder::layer) applies a layer to.
pub struct App(
    Box<dyn Service<Inbound, Response = Reply, Error = BoxError, Future = ReplyFuture> + Send>,
);

impl App {
    /// Boxes a service. Each of its futures is boxed as well.
    pub(super) fn new<S>(service: S) -> Self
    where
        S: Service<Inbound, Response = Reply> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        Self(Box::new(Boxing(service)))
    }

    /// Boxes a router, whose futures are boxed already.
    pub(super) fn of_router(router: Router) -> Self {
        Self(Box::new(router))
    }

    /// Cancels calls that take longer.
    pub(super) fn with_deadline(self, deadline: Duration) -> Self {
        Self(Box::new(Deadline {
            inner: self,
            deadline,
        }))
    }
}

impl Service<Inbound> for App {
    type Response = Reply;
    type Error = BoxError;
    type Future = ReplyFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, inbound: Inbound) -> ReplyFuture {
        self.0.call(inbound)
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("App")
    }
}

/// A service that boxes its futures.
struct Boxing<S>(S);

impl<S> Service<Inbound> for Boxing<S>
where
    S: Service<Inbound, Response = Reply>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Reply;
    type Error = BoxError;
    type Future = ReplyFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, inbound: Inbound) -> ReplyFuture {
        let response = self.0.call(inbound);
        ReplyFuture::new(async move { response.await.map_err(Into::into) })
    }
}

/// A service whose calls are canceled after a while. `tower::timeout` would create a timer for each
/// call, also for one that completes at once, and its future would have to be boxed.
struct Deadline {
    inner: App,
    deadline: Duration,
}

impl Service<Inbound> for Deadline {
    type Response = Reply;
    type Error = BoxError;
    type Future = ReplyFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, inbound: Inbound) -> ReplyFuture {
        self.inner.call(inbound).within(self.deadline)
    }
}
