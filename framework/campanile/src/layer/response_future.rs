//! The future of layers that may refuse.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::BoxError;
use crate::reply::Reply;

pin_project_lite::pin_project! {
    /// What the inner service says, or the refusal of a layer.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        refusal: Option<Result<Reply, BoxError>>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn inner(inner: F) -> Self {
        Self {
            inner: Some(inner),
            refusal: None,
        }
    }

    pub(super) fn ready(refusal: Result<Reply, BoxError>) -> Self {
        Self {
            inner: None,
            refusal: Some(refusal),
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
            // Polled again after the refusal was taken: as good an answer as any.
            None => Poll::Ready(this.refusal.take().unwrap_or(Ok(Reply::Empty))),
        }
    }
}
