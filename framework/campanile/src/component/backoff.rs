//! How long to wait before connecting again.

use std::hash::{BuildHasher, RandomState};

use tokio::time::{Duration, Instant};

use super::cause::FailureClass;
use crate::limits::Limits;

/// Waits that grow with each failure, with full jitter: a random share of the wait, so that two
/// hundred components do not come back at once.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    failures: u32,
    /// Times of the last failures with the same cause.
    same: Vec<Instant>,
    cause: String,
}

impl BackOff {
    /// A stream has held for long enough: the waits start anew.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// The wait after a failure with this cause.
    pub(super) fn after(&mut self, class: FailureClass, cause: &str, limits: &Limits) -> Duration {
        let slow = match class {
            FailureClass::Temporary { from_server } => self.repeats(cause) && from_server,
            FailureClass::Conflict | FailureClass::Refused => true,
        };
        let (first, longest) = if slow {
            limits.slow_retry
        } else {
            limits.back_off
        };
        let ceiling = first
            .saturating_mul(1 << self.failures.min(16))
            .min(longest);
        self.failures += 1;
        // Never less than a tenth, or a server that refuses at once would be asked in a tight loop.
        ceiling.mul_f64(0.1 + 0.9 * share())
    }

    /// Whether this is the third failure in a minute with the same cause.
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

/// A random number between 0 and 1.
fn share() -> f64 {
    // A fresh hasher state is random; 32 bits of it fit into an f64 exactly.
    let random = RandomState::new().hash_one(0u8) >> 32;
    f64::from(u32::try_from(random).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_their_bound_and_start_anew() {
        let limits = Limits::default();
        let mut back_off = BackOff::default();
        let temporary = FailureClass::Temporary { from_server: false };
        let waits: Vec<_> = (0..20)
            .map(|_| back_off.after(temporary, "gone", &limits))
            .collect();
        for (failure, wait) in waits.iter().enumerate() {
            let ceiling = Duration::from_secs(1 << failure.min(10)).min(Duration::from_secs(60));
            assert!(
                *wait <= ceiling && *wait >= ceiling / 10,
                "{failure}: {wait:?}"
            );
        }
        back_off.reset();
        assert!(back_off.after(temporary, "gone", &limits) <= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_heal_soon_waits_longer() {
        let limits = Limits::default();
        assert!(
            BackOff::default().after(FailureClass::Conflict, "conflict", &limits)
                >= Duration::from_secs(6)
        );
        let mut back_off = BackOff::default();
        let says = FailureClass::Temporary { from_server: true };
        back_off.after(says, "undefined-condition", &limits);
        back_off.after(says, "undefined-condition", &limits);
        assert!(back_off.after(says, "undefined-condition", &limits) >= Duration::from_secs(6));
    }
}
