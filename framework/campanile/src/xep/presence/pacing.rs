//! Sending to many, so that no server is flooded.

use std::hash::{BuildHasher, RandomState};

use tokio::time::{Duration, Instant};

/// Lets one stanza go at a time, so many in a second on the average.
#[derive(Debug)]
pub(super) struct Pacing {
    gap: Duration,
    random: RandomState,
    /// When the next one may go. Late ones make no others early.
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

    /// Waits until the next one may go.
    pub(super) async fn wait(&mut self) {
        // From when it was due, not from when it went: a timer is late by a millisecond each time.
        let now = Instant::now();
        let due = self
            .due
            .filter(|due| *due + Duration::from_millis(100) > now)
            .unwrap_or(now)
            + self.next();
        self.due = Some(due);
        tokio::time::sleep_until(due).await;
    }

    /// Half of the gap to one and a half: several components that lost the same server do not come
    /// in step.
    fn next(&mut self) -> Duration {
        self.count += 1;
        // A keyed hash of a count is as good a random number as any.
        let random = u32::try_from(self.random.hash_one(self.count) >> 44).unwrap_or_default();
        self.gap / 2 + self.gap.mul_f64(f64::from(random) / f64::from(1u32 << 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_differ_and_are_right_on_the_average() {
        let mut pace = Pacing::new(200);
        let gaps: Vec<_> = (0..1000).map(|_| pace.next()).collect();
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
