//! Limits the errors sent for rejected messages to one per sender and second.

use tokio::time::{Duration, Instant};

const SLOTS: usize = 4096;
const PAUSE: Duration = Duration::from_secs(1);

/// A table of fixed size. Two senders that share a slot share its limit, so one of them gets errors
/// a little less often.
#[derive(Debug)]
pub(super) struct ErrorThrottle {
    slots: Vec<Option<Instant>>,
}

impl ErrorThrottle {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new() }
    }

    /// Returns `true` if an error may be sent to this sender now, and records it.
    pub(super) fn allow(&mut self, sender: u64, now: Instant) -> bool {
        // Allocated on first use: most components never reject anything.
        self.slots.resize(SLOTS, None);
        let slot = &mut self.slots[usize::try_from(sender % SLOTS as u64).unwrap_or(0)];
        if slot.is_some_and(|last| now.duration_since(last) < PAUSE) {
            return false;
        }
        *slot = Some(now);
        true
    }
}
