//! The intended send times of stanzas at a fixed rate.
//!
//! Latency is measured from these. If the component stalls, stanzas are sent late, and their wait
//! would otherwise be missing from the measurement (coordinated omission).

/// A schedule with one stanza per interval. Times are in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    interval: f64,
    start: u64,
    first: u32,
}

impl Schedule {
    /// Creates a schedule of `rate` stanzas per second, whose stanza `first` is due at `start`.
    pub fn new(rate: f64, start: u64, first: u32) -> Self {
        Self {
            interval: 1e9 / rate,
            start,
            first,
        }
    }

    /// Returns the number of the first stanza that is not yet due.
    pub fn due(&self, now: u64) -> u64 {
        let elapsed = now.saturating_sub(self.start) as f64;
        u64::from(self.first) + (elapsed / self.interval) as u64
    }

    /// Returns the time at which a stanza is due.
    pub fn intended(&self, seq: u32) -> u64 {
        let ahead = seq.saturating_sub(self.first);
        self.start + (f64::from(ahead) * self.interval) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_stanzas_were_intended_before() {
        let schedule = Schedule::new(40_000.0, 1_000, 7);
        assert_eq!(schedule.due(1_000), 7);
        assert_eq!(schedule.due(1_000 + 1_000_000_000), 40_007);
        assert_eq!(schedule.intended(7), 1_000);
        assert_eq!(schedule.intended(40_007), 1_000 + 1_000_000_000);
        for now in (0..10_000_000).step_by(7_919) {
            let due = schedule.due(now) as u32;
            assert!(
                due == 7 || schedule.intended(due - 1) <= now,
                "{now}: {due}"
            );
        }
    }
}
