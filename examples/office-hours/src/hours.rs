//! Hand-written middleware that rejects stanzas outside of office hours.

use std::future::{Ready, ready};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use campanile::error::{BoxError, Condition, ErrorType, StanzaError};
use campanile::inbound::Inbound;
use campanile::reply::Reply;
use tower_layer::Layer;
use tower_service::Service;

/// Layer that passes stanzas only during these hours. The clock is a function, so that tests can
/// set it.
#[derive(Debug, Clone)]
pub(crate) struct OfficeHours {
    hours: Range<u8>,
    hour: fn() -> u8,
}

impl OfficeHours {
    pub(crate) fn new(hours: Range<u8>, hour: fn() -> u8) -> Self {
        Self { hours, hour }
    }
}

impl<S> Layer<S> for OfficeHours {
    type Service = Attended<S>;

    fn layer(&self, inner: S) -> Attended<S> {
        Attended {
            inner,
            office: self.clone(),
        }
    }
}

/// Service created by [`OfficeHours`].
#[derive(Debug, Clone)]
pub(crate) struct Attended<S> {
    inner: S,
    office: OfficeHours,
}

impl<S> Service<Inbound> for Attended<S>
where
    S: Service<Inbound, Response = Reply, Error = BoxError>,
{
    type Response = Reply;
    type Error = BoxError;
    type Future = Either<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, inbound: Inbound) -> Self::Future {
        if self.office.hours.contains(&(self.office.hour)()) {
            return Either::Open(Box::pin(self.inner.call(inbound)));
        }
        // Returned as an error, so that the sender receives it as a stanza error.
        let hours = &self.office.hours;
        let error = StanzaError::new(Condition::RecipientUnavailable)
            .with_type(ErrorType::Wait)
            .with_text(format!(
                "the office is open from {} to {}",
                hours.start, hours.end
            ));
        Either::Closed(ready(Err(error.into())))
    }
}

/// Future of the inner service, or the rejection.
pub(crate) enum Either<F> {
    Open(Pin<Box<F>>),
    Closed(Ready<Result<Reply, BoxError>>),
}

impl<F: Future<Output = Result<Reply, BoxError>>> Future for Either<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match &mut *self {
            Self::Open(answer) => answer.as_mut().poll(cx),
            Self::Closed(refusal) => Pin::new(refusal).poll(cx),
        }
    }
}
