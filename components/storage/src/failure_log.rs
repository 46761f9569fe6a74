//! Log lines for failures that repeat.

use std::time::{Duration, Instant};

/// The interval between two lines on the same failure.
const INTERVAL: Duration = Duration::from_secs(60);

/// Collapses the repetitions of a failure into one log line per minute, with a count.
///
/// ```
/// # use campanile_storage::FailureLog;
/// let mut failures = FailureLog::default();
/// assert_eq!(failures.failed("disk is full", 3), Some(3));
/// assert_eq!(failures.failed("disk is full", 2), None);
/// assert_eq!(failures.succeeded(), Some(5));
/// assert_eq!(failures.succeeded(), None);
/// ```
#[derive(Debug, Default)]
pub struct FailureLog {
    /// The last line, and its time.
    last: Option<(String, Instant)>,
    /// Failures since the last line.
    unlogged: u64,
    /// Failures since the last success.
    all: u64,
}

impl FailureLog {
    /// Counts failed items. Returns the number to log if a line is due: for the first failure, for
    /// one with another cause, and once a minute.
    pub fn failed(&mut self, error: &str, items: u64) -> Option<u64> {
        self.failed_at(error, items, Instant::now())
    }

    /// Returns the number of failed items since the last success; `None` if there are none.
    pub fn succeeded(&mut self) -> Option<u64> {
        let all = std::mem::take(self).all;
        Some(all).filter(|all| *all > 0)
    }

    fn failed_at(&mut self, error: &str, items: u64, now: Instant) -> Option<u64> {
        self.all += items;
        self.unlogged += items;
        let repeats = |(last, at): &(String, Instant)| {
            last == error && now.saturating_duration_since(*at) < INTERVAL
        };
        if self.last.as_ref().is_some_and(repeats) {
            return None;
        }
        self.last = Some((error.to_owned(), now));
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_failure_is_logged_once_per_interval() {
        let now = Instant::now();
        let mut log = FailureLog::default();
        assert_eq!(log.failed_at("full", 1, now), Some(1));
        for _ in 0..50 {
            assert_eq!(log.failed_at("full", 2, now), None);
        }
        assert_eq!(log.failed_at("locked", 1, now), Some(101));
        assert_eq!(log.failed_at("locked", 1, now), None);
        assert_eq!(log.failed_at("locked", 1, now + INTERVAL), Some(2));
        assert_eq!(log.succeeded(), Some(104));
        assert_eq!(log.failed_at("locked", 1, now), Some(1));
    }
}
