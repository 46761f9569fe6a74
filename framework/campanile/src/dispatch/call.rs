//! Calls a service and polls its future, catching panics.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tower_service::Service;

use crate::error::{BoxError, catch_panic};
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
    Pending(Running),
}

/// The future of a handler that did not complete at its first poll.
pub(super) type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Polls the service for readiness. A service that panics is never ready again.
pub(super) fn poll_ready<S>(service: &mut S, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>>
where
    S: Service<Inbound>,
    S::Error: Into<BoxError>,
{
    catch_panic(|| service.poll_ready(cx).map_err(Into::into))
        .unwrap_or_else(|text| Poll::Ready(Err(Box::new(Panicked(text)))))
}

/// Calls the service and polls its future once.
///
/// The waker does nothing: a pending future is polled again by the task that takes it over. Without
/// `unconstrained`, a handler could be forced to yield only because the stanzas before it used up
/// the task's budget.
pub(super) fn first_poll<S>(service: &mut S, inbound: Inbound) -> First
where
    S: Service<Inbound, Response = Reply>,
    S::Error: Into<BoxError>,
    S::Future: Unpin + Send + 'static,
{
    let called = catch_panic(|| {
        // Component services are boxed once at their outermost layer, so no pinning is needed here.
        let mut future = service.call(inbound);
        let mut context = Context::from_waker(Waker::noop());
        let polled = pin!(tokio::task::coop::unconstrained(&mut future)).poll(&mut context);
        match polled {
            Poll::Ready(outcome) => First::Ready(outcome.map_err(Into::into)),
            Poll::Pending => {
                First::Pending(Box::pin(async move { future.await.map_err(Into::into) }))
            }
        }
    });
    called.unwrap_or_else(|text| First::Ready(Err(Box::new(Panicked(text)))))
}

/// Polls a future to completion, turning a panic into an error.
pub(super) async fn finish(mut running: Running) -> Outcome {
    std::future::poll_fn(move |context| {
        catch_panic(|| running.as_mut().poll(context))
            .unwrap_or_else(|text| Poll::Ready(Err(Box::new(Panicked(text)))))
    })
    .await
}
