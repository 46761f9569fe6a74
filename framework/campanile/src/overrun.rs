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
/// [`overrun`](crate::limits::Limits::overrun). The clock on the wall also counts what other
/// processes took from us meanwhile, so one such poll proves nothing: a route is moved after
/// several in a short time, or one that is long.
const SEVERAL: u32 = 8;
const SHORT_TIME: Duration = Duration::from_millis(100);

thread_local! {
    static CURRENT: RefCell<Option<Arc<Mark>>> = const { RefCell::new(None) };
}

/// Whether a route has overrun, or is to run in a task of its own from the start.
#[derive(Debug)]
pub(crate) struct Mark {
    route: String,
    spawned: AtomicBool,
    /// Overruns that came shortly one after the other, and when that began.
    overruns: Mutex<(u32, Option<Instant>)>,
}

impl Mark {
    pub(crate) fn new(route: impl Into<String>, spawned: bool) -> Arc<Self> {
        Arc::new(Self {
            route: route.into(),
            spawned: AtomicBool::new(spawned),
            overruns: Mutex::default(),
        })
    }

    /// Called by the router right before it calls the route. True when the route must not be polled
    /// inline.
    pub(crate) fn enter(self: &Arc<Self>) -> bool {
        CURRENT.with_borrow_mut(|current| *current = Some(Arc::clone(self)));
        self.spawned.load(Ordering::Relaxed)
    }

    /// The route's name, for people.
    pub(crate) fn route(&self) -> &str {
        &self.route
    }

    fn is_too_much(&self, took: Duration, bound: Duration, now: Instant) -> bool {
        let mut overruns = self.overruns.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, since) = &mut *overruns;
        if since.is_none_or(|since| now.duration_since(since) > SHORT_TIME) {
            (*count, *since) = (0, Some(now));
        }
        *count += 1;
        took >= bound || *count >= SEVERAL
    }
}

/// The route that was called last on this thread.
pub(crate) fn current() -> Option<Arc<Mark>> {
    CURRENT.with_borrow(Option::clone)
}

/// Polls `future` only from its second poll on: the first one is the dispatcher's, which then gives
/// it a task.
pub(crate) async fn step_aside<F: Future>(future: F) -> F::Output {
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
pub(crate) fn judge(took: Duration, bound: Duration) {
    if took > bound / 100 {
        blame(took, bound);
    }
}

#[cold]
fn blame(took: Duration, bound: Duration) {
    let Some(mark) = CURRENT.with_borrow_mut(Option::take) else {
        return;
    };
    if mark.is_too_much(took, bound, Instant::now()) && !mark.spawned.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(route = %mark.route, ?took, "a handler held up the others; its route runs \
            in tasks of its own from now on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_poll_or_several_short_ones_are_too_much() {
        const BOUND: Duration = Duration::from_millis(20);
        let mark = Mark::new("route", false);
        let now = Instant::now();
        assert!(mark.is_too_much(BOUND, BOUND, now));
        let mark = Mark::new("route", false);
        let verdicts: Vec<_> = (0..8)
            .map(|n| mark.is_too_much(TURN, BOUND, now + Duration::from_millis(n)))
            .collect();
        assert_eq!(
            verdicts,
            [false, false, false, false, false, false, false, true]
        );
        let mark = Mark::new("route", false);
        assert!((0..100).all(|n| !mark.is_too_much(TURN, BOUND, now + SHORT_TIME * 2 * n)));
    }
}
