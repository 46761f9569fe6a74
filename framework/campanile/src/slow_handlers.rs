//! Detection of handlers that block the thread of the connection; their routes then run in tasks of
//! their own.
//!
//! The router records the route that it calls, and the dispatcher measures the poll, so neither
//! depends on the other. A route that is never slow costs one store and one load.

use std::cell::RefCell;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
// The real clock: this measures a blocked thread, even while tokio's clock is paused.
use std::time::{Duration, Instant};

/// Duration of a turn of the connection after which it yields. Each turn that ends with work left
/// costs a system call and, on an idle machine, a move to another core: a shorter turn cost an
/// eighth more and did not reply any sooner.
pub(crate) const TURN: Duration = Duration::from_micros(500);
/// The number of slow first polls within [`SLOW_WINDOW`] after which a route is moved. A poll is
/// slow if it takes a hundredth of [`slow_handler`](crate::limits::Limits::slow_handler). The wall
/// clock includes the time that other processes took from this one, so a single slow poll proves
/// nothing unless it reaches the limit itself.
const SLOW_POLLS: u32 = 8;
const SLOW_WINDOW: Duration = Duration::from_millis(100);

thread_local! {
    static CURRENT: RefCell<Option<Arc<RouteStats>>> = const { RefCell::new(None) };
}

/// The poll times of one route, and whether it runs in a task of its own.
#[derive(Debug)]
pub(crate) struct RouteStats {
    route: String,
    spawn: AtomicBool,
    /// Number of slow polls within the current window, and the start of that window.
    slow_polls: Mutex<(u32, Option<Instant>)>,
}

impl RouteStats {
    pub(crate) fn new(route: impl Into<String>, spawn: bool) -> Arc<Self> {
        Arc::new(Self {
            route: route.into(),
            spawn: AtomicBool::new(spawn),
            slow_polls: Mutex::default(),
        })
    }

    /// Records that the router is about to call this route. Returns `true` if the route must not be
    /// polled inline.
    pub(crate) fn enter(self: &Arc<Self>) -> bool {
        CURRENT.with_borrow_mut(|current| *current = Some(Arc::clone(self)));
        self.spawn.load(Ordering::Relaxed)
    }

    /// Returns the display name of the route.
    pub(crate) fn route(&self) -> &str {
        &self.route
    }

    fn is_slow(&self, took: Duration, bound: Duration, now: Instant) -> bool {
        let mut slow_polls = self
            .slow_polls
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (count, since) = &mut *slow_polls;
        if since.is_none_or(|since| now.duration_since(since) > SLOW_WINDOW) {
            (*count, *since) = (0, Some(now));
        }
        *count += 1;
        took >= bound || *count >= SLOW_POLLS
    }
}

/// Returns the route that was called last on this thread.
pub(crate) fn current_route() -> Option<Arc<RouteStats>> {
    CURRENT.with_borrow(Option::clone)
}

/// Starts polling `future` at the second poll: the first one is the dispatcher's, which then spawns
/// a task.
pub(crate) async fn pend_once<F: Future>(future: F) -> F::Output {
    let mut first = true;
    std::future::poll_fn(|cx| {
        if std::mem::take(&mut first) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
    future.await
}

/// Records the duration of a first poll.
#[inline]
pub(crate) fn record(took: Duration, bound: Duration) {
    if took > bound / 100 {
        record_slow(took, bound);
    }
}

#[cold]
fn record_slow(took: Duration, bound: Duration) {
    let Some(stats) = CURRENT.with_borrow_mut(Option::take) else {
        return;
    };
    if stats.is_slow(took, bound, Instant::now()) && !stats.spawn.swap(true, Ordering::Relaxed) {
        tracing::warn!(route = %stats.route, ?took, "handler blocked the connection; \
            its route now runs in separate tasks");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_poll_or_several_short_ones_mark_route_as_slow() {
        const BOUND: Duration = Duration::from_millis(20);
        let stats = RouteStats::new("route", false);
        let now = Instant::now();
        assert!(stats.is_slow(BOUND, BOUND, now));
        let stats = RouteStats::new("route", false);
        let verdicts: Vec<_> = (0..8)
            .map(|n| stats.is_slow(TURN, BOUND, now + Duration::from_millis(n)))
            .collect();
        assert_eq!(
            verdicts,
            [false, false, false, false, false, false, false, true]
        );
        let stats = RouteStats::new("route", false);
        assert!((0..100).all(|n| !stats.is_slow(TURN, BOUND, now + SLOW_WINDOW * 2 * n)));
    }
}
