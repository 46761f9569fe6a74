//! Latency histogram with 64 buckets per power of two, for an error of at most 1.6 %.

const STEPS: u64 = 64;
const SHIFT: u32 = STEPS.trailing_zeros();

#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; bucket_of(u64::MAX) + 1],
            count: 0,
            max: 0,
        }
    }
}

impl Histogram {
    pub fn record(&mut self, nanos: u64) {
        self.buckets[bucket_of(nanos)] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    pub fn clear(&mut self) {
        self.buckets.fill(0);
        (self.count, self.max) = (0, 0);
    }

    /// Returns a quantile in nanoseconds.
    pub fn quantile(&self, quantile: f64) -> u64 {
        let wanted = ((self.count as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, &count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return top_of(bucket).min(self.max);
            }
        }
        self.max
    }
}

fn bucket_of(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let doubling = value.ilog2() - SHIFT;
    (u64::from(doubling + 1) * STEPS + (value >> doubling) - STEPS) as usize
}

/// Returns the largest value of a bucket.
fn top_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let doubling = bucket / STEPS - 1;
    let next = u128::from(bucket % STEPS + STEPS + 1) << doubling;
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous() {
        for value in (0..200_000).chain([u64::MAX / 3, u64::MAX - 1, u64::MAX]) {
            let bucket = bucket_of(value);
            assert!(value <= top_of(bucket), "{value} above its bucket");
            assert!(
                bucket == 0 || value > top_of(bucket - 1),
                "{value} in the bucket before"
            );
        }
    }

    #[test]
    fn quantiles_are_within_two_percent() {
        let mut histogram = Histogram::default();
        (1..=1000u64).for_each(|micros| histogram.record(micros * 1000));
        for (quantile, wanted) in [(0.5, 500_000.0), (0.99, 990_000.0), (0.999, 999_000.0)] {
            let got = histogram.quantile(quantile) as f64;
            assert!((got / wanted - 1.0).abs() < 0.02, "{quantile}: {got}");
        }
        histogram.clear();
        assert_eq!(histogram.quantile(0.5), 0);
    }
}
