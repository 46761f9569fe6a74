//! Calls that may block their thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
// The real clock: this measures a blocked thread, even while tokio's clock is paused.
use std::time::Instant;

use tokio::runtime::{Handle, RuntimeFlavor};

use super::RouteStats;

pin_project_lite::pin_project! {
    /// A future that may block its thread at any poll, if its route is known to.
    #[derive(Debug)]
    pub(crate) struct OffWorker<F> {
        #[pin]
        future: F,
        stats: Arc<RouteStats>,
    }
}

/// Prepares the call of a route for running in a task of its own although it blocks its thread.
pub(crate) fn off_worker<F: Future>(future: F, stats: Arc<RouteStats>) -> OffWorker<F> {
    OffWorker { future, stats }
}

impl<F: Future> Future for OffWorker<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let call = self.project();
        let future = call.future;
        let start = Instant::now();
        let may_block = call.stats.blocks.load(Ordering::Relaxed);
        let polled = poll_off_worker(may_block, || future.poll(cx));
        let now = Instant::now();
        call.stats.record_in_task(now.duration_since(start), now);
        polled
    }
}

/// Polls a task. If the poll may block, the worker first passes its queue on to another thread, and
/// the sockets that it watches with it.
///
/// Being in a task of its own is not enough: tokio runs a task that was just spawned on the same
/// worker, right after the task that has spawned it, and wakes no other one for it. With as many
/// blocking calls as workers, there would be no other one.
pub(crate) fn poll_off_worker<T>(may_block: bool, poll: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) if may_block => tokio::task::block_in_place(poll),
        // A runtime of one thread has no other one to pass its work to.
        _ => poll(),
    }
}
