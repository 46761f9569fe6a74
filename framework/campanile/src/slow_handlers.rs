//! Routes that hold up the others: after one overrun they run in a task of their own.
//!
//! The router leaves the mark of the route it calls, the dispatcher looks at the clock and sets it.
//! So neither needs to know the other, and a route that never overruns costs one store and one
//! load.

use std::cell::RefCell;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
// The real clock: what is measured is a thread that is held up, also while tokio's clock stands
// still.
use std::time::{Duration, Instant};

/// How long a turn of the link may take before others get theirs. Each turn that ends with work
/// left costs a system call and, on an idle machine, a move to another core; a shorter one was
/// dearer by an eighth and answered no sooner.
pub(crate) const TURN: Duration = Duration::from_micros(500);
/// How many first polls of a handler may take a hundredth of the bound
/// [`slow_handler`](crate::limits::Limits::slow_handler). The clock on the wall also counts what other
/// processes took from us meanwhile, so one such poll proves nothing: a route is moved after
/// several in a short time, or one that is long.
const SLOW_POLLS: u32 = 8;
const SLOW_WINDOW: Duration = Duration::from_millis(100);

thread_local! {
    static CURRENT: RefCell<Option<Arc<RouteStats>>> = const { RefCell::new(None) };
}

/// Whether a route has overrun, or is to run in a task of its own from the start.
#[derive(Debug)]
pub(crate) struct RouteStats {
    route: String,
    spawn: AtomicBool,
    /// Overruns that came shortly one after the other, and when that began.
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

    /// Called by the router right before it calls the route. True when the route must not be polled
    /// inline.
    pub(crate) fn enter(self: &Arc<Self>) -> bool {
        CURRENT.with_borrow_mut(|current| *current = Some(Arc::clone(self)));
        self.spawn.load(Ordering::Relaxed)
    }

    /// The route's name, for people.
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

/// The route that was called last on this thread.
pub(crate) fn current_route() -> Option<Arc<RouteStats>> {
    CURRENT.with_borrow(Option::clone)
}

/// Polls `future` only from its second poll on: the first one is the dispatcher's, which then gives
/// it a task.
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

/// Called by the dispatcher after a first poll that took this long.
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
        tracing::warn!(route = %stats.route, ?took, "a handler held up the others; its route runs \
            in tasks of its own from now on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_poll_or_several_short_ones_are_too_much() {
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
