//! The polls of a route after its first one: in the connection's task, or in tasks of their own.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::CERTAIN;

/// A poll is long from this duration on.
///
/// A task costs about five microseconds more CPU time than a poll in place, which the other cores
/// win back once the handler computes for longer.
const LONG: Duration = Duration::from_micros(20);
/// A long poll adds the multiple of [`LONG`] that it took to the score of the route, up to this
/// number, and a short one subtracts one.
///
/// The wall clock includes the time that other processes took from this one. A sum or an average
/// would consist of little else on a busy machine, and keep the fastest handler in tasks.
const MAX_GAIN: u32 = 16;
/// The score from which on handlers that await get tasks of their own.
const SPREAD: u32 = 64;
/// The score at which the route is polled in place again.
const GATHER: u32 = 16;
/// The highest score, which a poll that has blocked the connection sets. It takes 240 fast polls in
/// tasks until the route is polled in place again.
const MAX_SCORE: u32 = 256;
/// The number of times that a route may block the connection after an await. From then on its
/// handlers stay in tasks.
const PATIENCE: u32 = 3;

/// The score of a route by the duration of its polls after the first one.
#[derive(Debug, Default)]
pub(crate) struct ResumedPolls {
    /// Updates may get lost between threads, which does no harm.
    score: AtomicU32,
    in_tasks: AtomicBool,
    blocked: AtomicU32,
}

/// The place of a route after a poll in the connection's task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The handlers of the route are polled in place.
    InPlace,
    /// They get tasks of their own.
    Task,
    /// They do from now on, because this poll has blocked the connection.
    Blocked,
}

impl ResumedPolls {
    /// Returns `true` if handlers that are not done get tasks of their own.
    #[inline]
    pub(crate) fn in_tasks(&self) -> bool {
        self.in_tasks.load(Ordering::Relaxed)
    }

    /// Returns `true` if a poll has blocked the connection before.
    pub(crate) fn has_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed) > 0
    }

    /// Records a poll in the connection's task. `bound` is the duration that counts as blocking.
    pub(crate) fn record(&self, took: Duration, bound: Duration) -> Verdict {
        if took >= bound {
            self.block(took >= bound.saturating_mul(CERTAIN));
            return Verdict::Blocked;
        }
        self.record_in_task(took);
        if self.in_tasks() {
            Verdict::Task
        } else {
            Verdict::InPlace
        }
    }

    /// Records a poll in a task of its own.
    #[inline]
    pub(crate) fn record_in_task(&self, took: Duration) {
        let score = self.score.load(Ordering::Relaxed);
        if took >= LONG || score > 0 {
            self.update(score, took);
        }
    }

    fn update(&self, score: u32, took: Duration) {
        let gain = (took.as_nanos() / LONG.as_nanos()).min(MAX_GAIN.into()) as u32;
        let score = match gain {
            0 => score.saturating_sub(1),
            gain => (score + gain).min(MAX_SCORE),
        };
        self.score.store(score, Ordering::Relaxed);
        let stays = self.blocked.load(Ordering::Relaxed) >= PATIENCE;
        if score >= SPREAD {
            self.in_tasks.store(true, Ordering::Relaxed);
        } else if score <= GATHER && !stays {
            self.in_tasks.store(false, Ordering::Relaxed);
        }
    }

    #[cold]
    fn block(&self, is_certain: bool) {
        let times = if is_certain { PATIENCE } else { 1 };
        self.blocked.fetch_add(times, Ordering::Relaxed);
        self.score.store(MAX_SCORE, Ordering::Relaxed);
        self.in_tasks.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_millis(20);

    fn fast_polls_until_in_place(polls: &ResumedPolls) -> usize {
        let is_in_tasks = |_: &usize| {
            polls.record_in_task(Duration::from_micros(1));
            polls.in_tasks()
        };
        (1..10_000).take_while(is_in_tasks).count() + 1
    }

    #[test]
    fn handlers_that_compute_are_spread_and_gathered_when_they_no_longer_do() {
        let polls = ResumedPolls::default();
        let record = |micros| polls.record(Duration::from_micros(micros), BOUND);
        assert!((0..10_000).all(|_| record(15) == Verdict::InPlace));
        let until = (0..100).take_while(|_| record(100) == Verdict::InPlace);
        assert_eq!(until.count(), 12);
        assert!((0..1000).all(|_| record(100) == Verdict::Task));
        assert_eq!(fast_polls_until_in_place(&polls), 240);
        // A tenth of them is enough, if it computes for long.
        let until = (1..1000).take_while(|n| {
            let micros = if n % 10 == 0 { 1000 } else { 1 };
            record(micros) == Verdict::InPlace
        });
        assert!((20..200).contains(&until.count()));
    }

    #[test]
    fn interruptions_by_other_processes_do_not_keep_a_fast_route_in_tasks() {
        let polls = ResumedPolls::default();
        let record = |n: usize| {
            let micros = if n.is_multiple_of(40) { 15_000 } else { 1 };
            polls.record(Duration::from_micros(micros), BOUND)
        };
        assert!((1..10_000).all(|n| record(n) == Verdict::InPlace));
        assert_eq!(polls.record(BOUND, BOUND), Verdict::Blocked);
        assert_eq!(record(1), Verdict::Task);
        let until = (1..10_000).take_while(|n| record(*n) == Verdict::Task);
        assert!(until.count() < 500);
    }

    #[test]
    fn route_that_keeps_blocking_stays_in_tasks() {
        let polls = ResumedPolls::default();
        for _ in 0..PATIENCE - 1 {
            assert_eq!(polls.record(BOUND, BOUND), Verdict::Blocked);
            assert_eq!(fast_polls_until_in_place(&polls), 240);
        }
        assert_eq!(polls.record(BOUND, BOUND), Verdict::Blocked);
        assert_eq!(fast_polls_until_in_place(&polls), 10_000);
        let polls = ResumedPolls::default();
        assert_eq!(polls.record(BOUND * CERTAIN, BOUND), Verdict::Blocked);
        assert_eq!(fast_polls_until_in_place(&polls), 10_000);
    }
}
