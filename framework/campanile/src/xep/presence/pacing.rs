//! Rate limiting for presence broadcasts, so that servers are not flooded.

use std::hash::{BuildHasher, RandomState};

use tokio::time::{Duration, Instant};

/// Spaces out stanzas to a given average rate, with jitter.
#[derive(Debug)]
pub(super) struct Pacing {
    gap: Duration,
    random: RandomState,
    /// Time at which the last stanza was due. Delays are not made up for by a burst.
    due: Option<Instant>,
    count: u64,
}

impl Pacing {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            gap: Duration::from_secs(1) / per_second.max(1),
            random: RandomState::new(),
            due: None,
            count: 0,
        }
    }

    /// Waits until the next stanza may be sent.
    pub(super) async fn wait(&mut self) {
        // Measured from when the last one was due, not sent: timers are up to a millisecond late.
        let now = Instant::now();
        let due = self
            .due
            .filter(|due| *due + Duration::from_millis(100) > now)
            .unwrap_or(now)
            + self.next();
        self.due = Some(due);
        tokio::time::sleep_until(due).await;
    }

    /// Returns a random gap between 50 % and 150 % of the average, so that several components that
    /// lost the same server do not send in lockstep.
    fn next(&mut self) -> Duration {
        self.count += 1;
        // A keyed hash of a counter is random enough here.
        let random = u32::try_from(self.random.hash_one(self.count) >> 44).unwrap_or_default();
        self.gap / 2 + self.gap.mul_f64(f64::from(random) / f64::from(1u32 << 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_vary_around_their_average() {
        let mut pacing = Pacing::new(200);
        let gaps: Vec<_> = (0..1000).map(|_| pacing.next()).collect();
        let bounds = Duration::from_micros(2500)..=Duration::from_micros(7500);
        assert!(gaps.iter().all(|gap| bounds.contains(gap)));
        let all: Duration = gaps.iter().sum();
        assert!(
            (Duration::from_millis(4500)..Duration::from_millis(5500)).contains(&all),
            "{all:?}"
        );
        assert!(gaps.iter().collect::<std::collections::HashSet<_>>().len() > 900);
    }
}
