//! Token buckets, each kept as the moment at which it will be full again.

use tokio::time::{Duration, Instant};

use super::RateLimit;
use crate::layer::bounded_map::BoundedMap;

/// How often somebody is told.
const TOLD: Duration = Duration::from_secs(1);

/// What becomes of a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Pass,
    Refuse,
    /// Refused, and told of an earlier refusal just now.
    RefuseSilently,
}

/// A bucket for each key.
#[derive(Debug)]
pub(super) struct Buckets {
    table: BoundedMap<Bucket>,
    start: Instant,
    /// Time in which one token comes back.
    token: Duration,
    /// Time in which an empty bucket fills.
    whole: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// When the bucket will be full, since the start.
    full: Duration,
    told: Option<Duration>,
}

impl Buckets {
    pub(super) fn new(keys: usize, limit: RateLimit) -> Self {
        let token = limit.per / limit.burst.get();
        Self {
            table: BoundedMap::new(keys),
            start: Instant::now(),
            token,
            whole: limit.per,
        }
    }

    /// Takes a token out of the key's bucket.
    pub(super) fn acquire(&mut self, key: &str) -> Decision {
        let now = self.start.elapsed();
        let key = self.table.key(key);
        // A bucket that has long been full is as good as none.
        let bucket = self.table.get(key, |bucket| bucket.full);
        let full = bucket.full.max(now) + self.token;
        if full - now <= self.whole {
            bucket.full = full;
            return Decision::Pass;
        }
        if bucket.told.is_some_and(|told| now - told < TOLD) {
            return Decision::RefuseSilently;
        }
        bucket.told = Some(now);
        Decision::Refuse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn strangers_do_not_push_out_who_is_held_back() {
        let mut buckets = Buckets::new(64, RateLimit::new(2, Duration::from_secs(60)));
        assert_eq!(
            [0; 3].map(|_| buckets.acquire("busy")),
            [Decision::Pass, Decision::Pass, Decision::Refuse]
        );
        for stranger in 0..10_000 {
            // Each comes once, so each is more idle than the one that came twice.
            buckets.acquire(&stranger.to_string());
        }
        assert_eq!(buckets.acquire("busy"), Decision::RefuseSilently);
    }
}
