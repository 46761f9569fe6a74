//! Token buckets, each stored as the time at which it will be full.

use tokio::time::{Duration, Instant};

use super::RateLimit;
use crate::layer::bounded_map::BoundedMap;
use crate::limits::YEAR;

/// Minimum interval between two errors to one sender, for stanzas other than IQ requests.
const ERROR_INTERVAL: Duration = Duration::from_secs(1);

/// The decision about a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Pass,
    Refuse,
    /// Reject without an error, because one was sent within the last second.
    RefuseSilently,
}

/// A token bucket for each key.
#[derive(Debug)]
pub(super) struct Buckets {
    table: BoundedMap<Bucket>,
    start: Instant,
    /// Time to refill one token.
    token: Duration,
    /// Time to refill an empty bucket.
    whole: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// Time at which the bucket will be full, relative to `start`.
    full: Duration,
    last_error: Option<Duration>,
}

impl Buckets {
    pub(super) fn new(keys: usize, limit: RateLimit) -> Self {
        let per = limit.per.min(YEAR);
        let token = per / limit.burst.get();
        Self {
            table: BoundedMap::new(keys),
            start: Instant::now(),
            token,
            whole: per,
        }
    }

    /// Takes a token from the bucket of this key.
    pub(super) fn acquire(&mut self, key: &str) -> Decision {
        let now = self.start.elapsed();
        let key = self.table.key(key);
        // A full bucket equals a new one, so the bucket that has been full for longest is evicted.
        let bucket = self.table.get(key, |bucket| bucket.full);
        let full = bucket.full.max(now) + self.token;
        if full - now <= self.whole {
            bucket.full = full;
            return Decision::Pass;
        }
        if bucket
            .last_error
            .is_some_and(|last| now - last < ERROR_INTERVAL)
        {
            return Decision::RefuseSilently;
        }
        bucket.last_error = Some(now);
        Decision::Refuse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn any_period_is_accepted() {
        let mut buckets = Buckets::new(64, RateLimit::new(1, Duration::MAX));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(
            [0; 2].map(|_| buckets.acquire("alice")),
            [Decision::Pass, Decision::Refuse]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn idle_keys_do_not_evict_limited_keys() {
        let mut buckets = Buckets::new(64, RateLimit::new(2, Duration::from_secs(60)));
        assert_eq!(
            [0; 3].map(|_| buckets.acquire("busy")),
            [Decision::Pass, Decision::Pass, Decision::Refuse]
        );
        for stranger in 0..10_000 {
            // Each key is used once, so it is more idle than the key that was used twice.
            buckets.acquire(&stranger.to_string());
        }
        assert_eq!(buckets.acquire("busy"), Decision::RefuseSilently);
    }
}
