//! Histograms of durations with fixed buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets in microseconds; one more bucket holds everything above.
const BOUNDS: [u64; 13] = [
    5, 10, 25, 100, 250, 1_000, 2_500, 10_000, 25_000, 100_000, 1_000_000, 5_000_000, 30_000_000,
];

/// A concurrent histogram of durations with a fixed number of buckets, each an atomic counter.
///
/// Record durations with [`record`](Self::record) and read them with [`snapshot`](Self::snapshot).
#[derive(Debug, Default)]
pub struct AtomicHistogram {
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// In nanoseconds: 584 years of handling fit.
    sum: AtomicU64,
}

impl AtomicHistogram {
    /// Records a duration.
    pub fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS
            .iter()
            .position(|bound| nanos <= bound * 1000)
            .unwrap_or(BOUNDS.len());
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Returns a snapshot. Counters are loaded one by one, so the snapshot is not atomic.
    #[must_use]
    pub fn snapshot(&self) -> Histogram {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Histogram {
            counts: self.counts.each_ref().map(read),
            sum: Duration::from_nanos(read(&self.sum)),
        }
    }
}

/// A snapshot of a histogram of durations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    /// Returns the number of recorded durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the sum of the recorded durations.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        self.sum
    }

    /// Returns the upper bound of each bucket with the number of durations up to it. The last bound
    /// is `None`, for all of them.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = BOUNDS
            .into_iter()
            .map(|bound| Some(Duration::from_micros(bound)))
            .chain([None]);
        let mut total = 0;
        bounds.zip(self.counts).map(move |(bound, count)| {
            total += count;
            (bound, total)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_includes_its_upper_bound() {
        let buckets = AtomicHistogram::default();
        for micros in [0, 5, 6, 1_000, 60_000_000] {
            buckets.record(Duration::from_micros(micros));
        }
        buckets.record(Duration::from_nanos(5_001));
        let read = buckets.snapshot();
        assert_eq!(
            (read.count(), read.sum()),
            (6, Duration::from_nanos(60_001_016_001))
        );
        let up_to = |micros| {
            read.cumulative()
                .find(|(bound, _)| *bound == Some(Duration::from_micros(micros)))
        };
        assert_eq!(up_to(5).map(|(_, count)| count), Some(2));
        assert_eq!(up_to(10).map(|(_, count)| count), Some(4));
        assert_eq!(up_to(1_000).map(|(_, count)| count), Some(5));
        assert_eq!(read.cumulative().last(), Some((None, 6)));
    }
}
