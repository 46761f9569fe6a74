//! The response future of layers that may reject a stanza.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::BoxError;
use crate::reply::Reply;

pin_project_lite::pin_project! {
    /// The response of the inner service, or the immediate reply of a layer.
    #[derive(Debug)]
    #[doc(hidden)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        reply: Option<Result<Reply, BoxError>>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn inner(inner: F) -> Self {
        Self {
            inner: Some(inner),
            reply: None,
        }
    }

    pub(super) fn ready(reply: Result<Reply, BoxError>) -> Self {
        Self {
            inner: None,
            reply: Some(reply),
        }
    }
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Reply, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Reply, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.inner.as_pin_mut() {
            Some(inner) => inner.poll(cx).map_err(Into::into),
            // Polled again after completion, which callers must not do. An empty reply is as good
            // as any.
            None => Poll::Ready(this.reply.take().unwrap_or(Ok(Reply::Empty))),
        }
    }
}
