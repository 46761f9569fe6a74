//! Who was told of an overload lately: at most one error for messages per sender and second.

use tokio::time::{Duration, Instant};

const SLOTS: usize = 4096;
const PAUSE: Duration = Duration::from_secs(1);

/// A table of fixed size. Two senders in one slot share it: then one of them is told a little less
/// often.
#[derive(Debug)]
pub(super) struct ErrorThrottle {
    slots: Vec<Option<Instant>>,
}

impl ErrorThrottle {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new() }
    }

    /// Whether this sender may be told now; if so, it counts as told.
    pub(super) fn allow(&mut self, sender: u64, now: Instant) -> bool {
        // Most components never shed anything.
        self.slots.resize(SLOTS, None);
        let slot = &mut self.slots[usize::try_from(sender % SLOTS as u64).unwrap_or(0)];
        if slot.is_some_and(|last| now.duration_since(last) < PAUSE) {
            return false;
        }
        *slot = Some(now);
        true
    }
}
