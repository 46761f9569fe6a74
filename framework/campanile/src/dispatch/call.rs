//! Calls a service and polls its future, catching panics.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tower_service::Service;

use crate::error::{BoxError, catch_panic};
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;
use crate::reply::Reply;

pub(super) type Outcome = Result<Reply, BoxError>;

/// The panic of a handler or layer. The message is only for the log.
#[derive(Debug)]
pub(super) struct Panicked(String);

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "handler or layer panicked: {}", self.0)
    }
}

impl std::error::Error for Panicked {}

/// The outcome of the first poll.
pub(super) enum First {
    Ready(Outcome),
    Pending(ReplyFuture),
}

/// Polls the service for readiness. A service that panics is never ready again.
pub(super) fn poll_ready<S>(service: &mut S, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>>
where
    S: Service<Inbound, Error = BoxError>,
{
    catch_panic(|| service.poll_ready(cx))
        .unwrap_or_else(|text| Poll::Ready(Err(Box::new(Panicked(text)))))
}

/// Calls the service and polls its future once.
///
/// Without `unconstrained`, a handler could be forced to yield only because the stanzas before it
/// used up the task's budget.
pub(super) fn first_poll<S>(service: &mut S, inbound: Inbound, waker: &Waker) -> First
where
    S: Service<Inbound, Response = Reply, Error = BoxError, Future = ReplyFuture>,
{
    let called = catch_panic(|| {
        let mut future = service.call(inbound);
        let mut context = Context::from_waker(waker);
        match pin!(tokio::task::coop::unconstrained(&mut future)).poll(&mut context) {
            Poll::Ready(outcome) => First::Ready(outcome),
            Poll::Pending => First::Pending(future),
        }
    });
    called.unwrap_or_else(|text| First::Ready(Err(Box::new(Panicked(text)))))
}

/// Polls a future, turning a panic into an error.
pub(super) fn poll(future: &mut ReplyFuture, context: &mut Context<'_>) -> Poll<Outcome> {
    catch_panic(|| Pin::new(future).poll(context))
        .unwrap_or_else(|text| Poll::Ready(Err(Box::new(Panicked(text)))))
}
