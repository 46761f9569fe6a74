//! Detection of handlers that block the thread of the connection; their routes then run in tasks of
//! their own, and pass the work of their thread on to another one, until they are fast again.
//!
//! The router records the route that it calls in the [`CalledRoute`] of the stanza, and the
//! dispatcher measures the poll, so neither depends on the other.

mod called_route;
mod off_worker;
mod resumed;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
// The real clock: this measures a blocked thread, even while tokio's clock is paused.
use std::time::{Duration, Instant};

pub(crate) use self::called_route::{CalledRoute, RateLimited};
pub(crate) use self::off_worker::{off_worker, poll_off_worker};
use self::resumed::{ResumedPolls, Verdict};
use crate::settings::rough_duration;

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
/// The number of polls without a slow one after which a route that was moved is called in place
/// again; doubled each time it is moved again, up to [`MAX_DOUBLINGS`] times.
///
/// A machine that is short of time makes any route look slow once. Each call in a task of its own
/// hands the worker over to another thread, and a thread that has just finished is not idle yet, so
/// that bursts of such calls start hundreds of them.
const FAST_POLLS: u32 = 64;
const MAX_DOUBLINGS: u32 = 6;
/// A poll of this many times the limit proves that the route blocks. It stays in tasks, because the
/// next such poll in place would stall everybody again.
const CERTAIN: u32 = 10;

/// The poll times of one route, and whether it runs in a task of its own.
#[derive(Debug)]
pub(crate) struct RouteStats {
    route: String,
    spawn: AtomicBool,
    /// The application has asked for tasks, or the route certainly blocks, so it stays in them.
    stays: AtomicBool,
    /// A poll may block its thread: one has reached the limit since the route was moved, or the
    /// application has asked for tasks. Without it, the polls are merely long enough to delay the
    /// stream, and the next worker is not worth a thread.
    blocks: AtomicBool,
    /// The handler within the route, by whose name it is shown while it runs in tasks.
    handler: OnceLock<Arc<RouteStats>>,
    polls: Mutex<Polls>,
    /// The polls after the first one.
    resumed: ResumedPolls,
}

#[derive(Debug, Default)]
struct Polls {
    /// Number of slow polls within the current window, and the start of that window.
    slow: u32,
    since: Option<Instant>,
    /// Number of polls in tasks since the last slow one.
    fast: u32,
    /// Number of times that the route has been moved to tasks.
    moves: u32,
    /// The limit when it was moved.
    bound: Duration,
}

impl RouteStats {
    pub(crate) fn new(route: impl Into<String>, spawn: bool) -> Arc<Self> {
        Arc::new(Self {
            route: route.into(),
            spawn: AtomicBool::new(spawn),
            stays: AtomicBool::new(spawn),
            blocks: AtomicBool::new(spawn),
            handler: OnceLock::new(),
            polls: Mutex::default(),
            resumed: ResumedPolls::default(),
        })
    }

    /// Records that the router is about to call this route. Returns `true` if the route must not be
    /// polled inline.
    pub(crate) fn enter(self: &Arc<Self>, called: &CalledRoute) -> bool {
        let spawn = self.spawn.load(Ordering::Relaxed);
        let shown = self.handler.get().filter(|_| spawn);
        called.set(shown.unwrap_or(self));
        spawn
    }

    /// Records that this handler is about to be called.
    pub(crate) fn record_call(self: &Arc<Self>, called: &CalledRoute) {
        called.set(self);
    }

    /// Returns the display name of the route.
    pub(crate) fn route(&self) -> &str {
        &self.route
    }

    /// Records a slow poll in place. Returns `true` if that moves the route to tasks.
    fn moves(&self, took: Duration, bound: Duration, now: Instant) -> bool {
        let mut polls = self.polls();
        if !polls.is_slow(took, bound, now) || self.spawn.swap(true, Ordering::Relaxed) {
            return false;
        }
        (polls.fast, polls.bound) = (0, bound);
        polls.moves += 1;
        self.blocks.store(took >= bound, Ordering::Relaxed);
        if took >= bound.saturating_mul(CERTAIN) {
            self.stays.store(true, Ordering::Relaxed);
        }
        true
    }

    /// Records a poll in a task. After enough fast ones, the route is called in place again.
    fn record_in_task(&self, took: Duration, now: Instant) {
        if self.stays.load(Ordering::Relaxed) {
            return;
        }
        let mut polls = self.polls();
        let bound = polls.bound;
        if took > bound / 100 && polls.is_slow(took, bound, now) {
            polls.fast = 0;
            if took >= bound {
                self.blocks.store(true, Ordering::Relaxed);
            }
            return;
        }
        polls.fast += 1;
        let enough = FAST_POLLS << polls.moves.saturating_sub(1).min(MAX_DOUBLINGS);
        if polls.fast >= enough && self.spawn.swap(false, Ordering::Relaxed) {
            polls.slow = 0;
            self.blocks.store(false, Ordering::Relaxed);
            tracing::debug!(route = %self.route, polls = enough, "route no longer blocks; \
                called in place again");
        }
    }

    /// Returns `true` if a handler that is not done after its first poll gets a task of its own.
    #[inline]
    pub(crate) fn resumes_in_task(&self) -> bool {
        self.resumed.in_tasks()
    }

    /// Records a poll after the first one, in the connection's task. Returns `true` if the handler
    /// must move to a task of its own. A poll of `bound` counts as blocking.
    pub(crate) fn record_resumed(&self, took: Duration, bound: Duration) -> bool {
        match self.resumed.record(took, bound) {
            Verdict::InPlace => false,
            Verdict::Task => true,
            Verdict::Blocked => {
                tracing::warn!(route = %self.route, took = %rough_duration(took), "handler blocked \
                    the connection after an await; it continues in separate tasks");
                true
            }
        }
    }

    /// Returns `true` if a poll after the first one has blocked its thread before.
    pub(crate) fn resumes_blocking(&self) -> bool {
        self.resumed.has_blocked()
    }

    /// Records a poll after the first one, in a task of its own.
    pub(crate) fn record_resumed_in_task(&self, took: Duration) {
        self.resumed.record_in_task(took);
    }

    fn polls(&self) -> MutexGuard<'_, Polls> {
        self.polls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Polls {
    /// Counts a poll that took more than a hundredth of the limit.
    fn is_slow(&mut self, took: Duration, bound: Duration, now: Instant) -> bool {
        let since = self.since;
        if since.is_none_or(|since| now.duration_since(since) > SLOW_WINDOW) {
            (self.slow, self.since) = (0, Some(now));
        }
        self.slow += 1;
        took >= bound || self.slow >= SLOW_POLLS
    }
}

/// Records the duration of the first poll of a call.
#[inline]
pub(crate) fn record(called: &CalledRoute, took: Duration, bound: Duration) {
    if took > bound / 100 {
        record_slow(called, took, bound);
    }
}

#[cold]
fn record_slow(called: &CalledRoute, took: Duration, bound: Duration) {
    let Some((outer, route)) = called.routes() else {
        return;
    };
    // The outermost route includes the layers of the handler, which may be what blocks.
    if outer.moves(took, bound, Instant::now()) {
        tracing::warn!(route = %route.route, took = %rough_duration(took), "handler blocked the connection; \
            its route runs in separate tasks until it is fast again");
        if !Arc::ptr_eq(&outer, &route) {
            // The first one stays.
            let _ = outer.handler.set(route);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_millis(20);

    #[test]
    fn one_long_poll_or_several_short_ones_mark_route_as_slow() {
        let stats = RouteStats::new("route", false);
        let now = Instant::now();
        assert!(stats.moves(BOUND, BOUND, now));
        let stats = RouteStats::new("route", false);
        let verdicts: Vec<_> = (0..8)
            .map(|n| stats.moves(TURN, BOUND, now + Duration::from_millis(n)))
            .collect();
        assert_eq!(
            verdicts,
            [false, false, false, false, false, false, false, true]
        );
        let stats = RouteStats::new("route", false);
        assert!((0..100).all(|n| !stats.moves(TURN, BOUND, now + SLOW_WINDOW * 2 * n)));
    }

    /// Counts the fast polls after which a route that was moved is called in place again.
    fn polls_until_in_place(stats: &RouteStats, now: Instant) -> u32 {
        assert!(stats.moves(BOUND, BOUND, now));
        let still_in_task = |_: &u32| {
            stats.record_in_task(Duration::from_micros(50), now);
            stats.spawn.load(Ordering::Relaxed)
        };
        (1..100_000).take_while(still_in_task).count() as u32 + 1
    }

    #[test]
    fn moved_route_returns_after_fast_polls_and_later_each_time() {
        let stats = RouteStats::new("route", false);
        let now = Instant::now();
        let returns: Vec<_> = (0..9).map(|_| polls_until_in_place(&stats, now)).collect();
        assert_eq!(returns, [64, 128, 256, 512, 1024, 2048, 4096, 4096, 4096]);
    }

    #[test]
    fn route_blocks_once_a_poll_reaches_the_limit() {
        let blocks = |stats: &RouteStats| stats.blocks.load(Ordering::Relaxed);
        let now = Instant::now();
        let stats = RouteStats::new("route", false);
        assert_eq!((0..8).filter(|_| stats.moves(TURN, BOUND, now)).count(), 1);
        assert!(!blocks(&stats), "long polls only");
        stats.record_in_task(BOUND, now);
        assert!(blocks(&stats));
        for _ in 0..FAST_POLLS {
            stats.record_in_task(Duration::ZERO, now);
        }
        assert!(!blocks(&stats), "in place again");
        assert!(stats.moves(BOUND, BOUND, now));
        assert!(blocks(&stats));
    }

    #[test]
    fn slow_or_declared_route_stays_in_tasks() {
        let now = Instant::now();
        let slow = RouteStats::new("route", false);
        assert!(slow.moves(BOUND, BOUND, now));
        let declared = RouteStats::new("route", true);
        for n in 0..100_000 {
            let took = if n % 60 == 0 { BOUND } else { TURN / 100 };
            slow.record_in_task(took, now);
            declared.record_in_task(Duration::ZERO, now);
        }
        let blocking = RouteStats::new("route", false);
        assert!(blocking.moves(BOUND * CERTAIN, BOUND, now));
        for _ in 0..100_000 {
            blocking.record_in_task(Duration::ZERO, now);
        }
        for stats in [slow, declared, blocking] {
            assert!(stats.enter(&CalledRoute::default()));
        }
    }
}
