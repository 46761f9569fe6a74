//! Log lines of failed deliveries: repeated ones become one line with a count.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Interval between two lines for the same failure of a webhook.
const REPEAT_INTERVAL: Duration = Duration::from_secs(60);

/// The failures of one webhook.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The last logged reason, and the time of its line.
    logged: Option<(String, Instant)>,
    /// Failures since then.
    repeated: u64,
    /// All failures since the last success.
    failed: u64,
}

impl Failures {
    /// Records a failed attempt. Returns the number of failures since the last line if this one is
    /// to be logged: if its reason differs, or a minute has passed.
    pub(super) fn record(&self, why: &str) -> Option<u64> {
        let mut state = self.0.lock();
        state.failed += 1;
        let is_repeated = state
            .logged
            .as_ref()
            .is_some_and(|(last, at)| last == why && at.elapsed() < REPEAT_INTERVAL);
        if is_repeated {
            state.repeated += 1;
            return None;
        }
        state.logged = Some((why.to_owned(), Instant::now()));
        Some(std::mem::take(&mut state.repeated))
    }

    /// Records a success. Returns the number of failed attempts before it.
    pub(super) fn recovered(&self) -> Option<u64> {
        let mut state = self.0.lock();
        state.logged.take()?;
        state.repeated = 0;
        Some(std::mem::take(&mut state.failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn repeated_failures_are_counted_until_a_minute_has_passed() {
        let failures = Failures::default();
        let seen = ["a", "a", "a", "b", "b"].map(|why| failures.record(why));
        assert_eq!(seen, [Some(0), None, None, Some(2), None]);
        tokio::time::advance(REPEAT_INTERVAL).await;
        assert_eq!(failures.record("b"), Some(1));
        assert_eq!(
            (failures.recovered(), failures.recovered()),
            (Some(6), None)
        );
    }
}
