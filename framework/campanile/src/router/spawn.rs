//! Calling of routes: in place, or in a separate task if the route blocks other stanzas.

use std::future::Future;
use std::panic;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use super::capture::Capture;
use super::chat_command::CommandCall;
use super::route::{Route, Target};
use super::{Advertised, Filter};
use crate::error::BoxError;
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;
use crate::layer::LoopGuardLayer;
use crate::reply::Reply;
use crate::slow_handlers::{RouteStats, off_worker};

/// A route as stored in the lookup table.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Route(Route, Arc<RouteStats>),
    Builtin(super::Builtin),
}

impl Call {
    pub(super) fn new(
        target: Target,
        filter: &Filter,
        spawned: bool,
        guard: Option<&LoopGuardLayer>,
    ) -> Self {
        match target {
            Target::Route(route) => {
                let route = Capture::around(route, &filter.recipient);
                let route = match &filter.command {
                    Some(command) => CommandCall::around(route, command, guard),
                    None => route,
                };
                Self::Route(route, RouteStats::new(filter.to_string(), spawned))
            }
            Target::Builtin(builtin) => Self::Builtin(builtin),
        }
    }

    pub(super) fn handle(&self, inbound: Inbound, advertised: &Advertised) -> ReplyFuture {
        match self {
            Self::Route(route, stats) if stats.enter(inbound.called_route()) => {
                ReplyFuture::new(Spawned::new(route.clone(), inbound, Arc::clone(stats)))
            }
            Self::Route(route, _) => route.handle(inbound),
            Self::Builtin(builtin) => ReplyFuture::ready(builtin(&inbound, advertised)),
        }
    }
}

/// A call that runs in its own task. Dropping it aborts the task.
struct Spawned(JoinHandle<Result<Reply, BoxError>>);

impl Spawned {
    fn new(route: Route, mut inbound: Inbound, stats: Arc<RouteStats>) -> Self {
        // The task runs beside the dispatcher, which must not see what it calls.
        inbound.detach_called_route();
        // The synchronous part of the handler must run in the task as well.
        let call = off_worker(async move { route.handle(inbound).await }, stats);
        Self(tokio::spawn(call))
    }
}

impl Future for Spawned {
    type Output = Result<Reply, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|joined| match joined {
            Ok(reply) => reply,
            // Panics are caught by the dispatcher, no matter where the handler runs.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => panic::resume_unwind(panic),
                Err(canceled) => Err(canceled.into()),
            },
        })
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.0.abort();
    }
}
