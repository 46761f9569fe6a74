//! The service of layers that pass or reject a stanza without waiting.

use std::task::{Context, Poll};

use tower_service::Service;

use super::ResponseFuture;
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::reply::Reply;

/// A decision about each stanza before the inner service is called.
#[doc(hidden)]
pub trait Gate {
    /// Returns the immediate reply to a stanza that must not pass, or `None`.
    fn check(&self, inbound: &Inbound) -> Option<Result<Reply, BoxError>>;
}

/// The service of a layer that is a [`Gate`].
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Gated<S, G> {
    inner: S,
    gate: G,
}

impl<S, G> Gated<S, G> {
    pub(super) fn new(inner: S, gate: G) -> Self {
        Self { inner, gate }
    }
}

impl<S, G> Service<Inbound> for Gated<S, G>
where
    S: Service<Inbound, Response = Reply>,
    S::Error: Into<BoxError>,
    G: Gate,
{
    type Response = Reply;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, inbound: Inbound) -> Self::Future {
        match self.gate.check(&inbound) {
            Some(reply) => ResponseFuture::ready(reply),
            None => ResponseFuture::inner(self.inner.call(inbound)),
        }
    }
}
