//! Delays between connection attempts.

use std::hash::{BuildHasher, RandomState};

use tokio::time::{Duration, Instant};

use super::cause::FailureClass;
use crate::limits::Limits;

/// The longest delay for a server on this machine.
const LOCAL: Duration = Duration::from_secs(5);

/// Exponential backoff with jitter: each delay is a random share of a bound that doubles with each
/// failure, so that components do not all reconnect at the same time.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    failures: u32,
    /// Times of the last failures with the same cause.
    same: Vec<Instant>,
    cause: String,
}

impl BackOff {
    /// Starts again with the shortest delay, after a connection has been stable.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Returns the delay after a failure with this cause. `local` is set for a server on this
    /// machine: attempts cost it nothing, and few components connect to it.
    pub(super) fn after(
        &mut self,
        class: FailureClass,
        cause: &str,
        limits: &Limits,
        local: bool,
    ) -> Duration {
        let slow = match class {
            FailureClass::Temporary { from_server } => self.repeats(cause) && from_server,
            FailureClass::Conflict | FailureClass::Refused => true,
        };
        let (first, longest) = if slow {
            limits.slow_retry
        } else if local {
            (limits.back_off.0, limits.back_off.1.min(LOCAL))
        } else {
            limits.back_off
        };
        let ceiling = first
            .saturating_mul(1 << self.failures.min(16))
            .min(longest);
        self.failures += 1;
        // At least a tenth of the bound; otherwise a server that refuses connections could be
        // retried in a tight loop.
        ceiling.mul_f64(0.1 + 0.9 * share())
    }

    /// Returns `true` for the third failure with the same cause within a minute.
    fn repeats(&mut self, cause: &str) -> bool {
        let now = Instant::now();
        if self.cause != cause {
            cause.clone_into(&mut self.cause);
            self.same.clear();
        }
        self.same.push(now);
        self.same
            .retain(|&then| now.duration_since(then) < Duration::from_secs(60));
        self.same.len() >= 3
    }
}

/// Returns a random number between 0 and 1.
fn share() -> f64 {
    // A new hasher is randomly seeded, and 32 bits are represented exactly in an `f64`.
    let random = RandomState::new().hash_one(0u8) >> 32;
    f64::from(u32::try_from(random).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn delays_grow_to_the_limit_and_reset() {
        let limits = Limits::default();
        let mut back_off = BackOff::default();
        let temporary = FailureClass::Temporary { from_server: false };
        let waits: Vec<_> = (0..20)
            .map(|_| back_off.after(temporary, "gone", &limits, false))
            .collect();
        for (failure, wait) in waits.iter().enumerate() {
            let ceiling = Duration::from_secs(1 << failure.min(10)).min(Duration::from_secs(60));
            assert!(
                *wait <= ceiling && *wait >= ceiling / 10,
                "{failure}: {wait:?}"
            );
        }
        back_off.reset();
        assert!(back_off.after(temporary, "gone", &limits, false) <= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn local_server_is_tried_again_after_five_seconds_at_most() {
        let limits = Limits::default();
        let mut back_off = BackOff::default();
        let temporary = FailureClass::Temporary { from_server: false };
        let longest = (0..20).map(|_| back_off.after(temporary, "gone", &limits, true));
        assert!(longest.max().unwrap() <= LOCAL);
        // What waiting cannot mend is still retried slowly.
        let refused = back_off.after(FailureClass::Refused, "refused", &limits, true);
        assert!(refused > LOCAL);
    }

    #[tokio::test(start_paused = true)]
    async fn conflicts_and_repeated_stream_errors_wait_longer() {
        let limits = Limits::default();
        assert!(
            BackOff::default().after(FailureClass::Conflict, "conflict", &limits, false)
                >= Duration::from_secs(6)
        );
        let mut back_off = BackOff::default();
        let stream_error = FailureClass::Temporary { from_server: true };
        back_off.after(stream_error, "undefined-condition", &limits, false);
        back_off.after(stream_error, "undefined-condition", &limits, false);
        assert!(
            back_off.after(stream_error, "undefined-condition", &limits, false)
                >= Duration::from_secs(6)
        );
    }
}
