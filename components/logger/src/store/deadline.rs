//! Time limits of reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The end of a read: a time, or the moment when its caller is dropped.
#[derive(Debug, Clone)]
pub struct Deadline {
    end: Instant,
    is_canceled: Arc<AtomicBool>,
}

impl Deadline {
    pub(super) fn after(time: Duration) -> Self {
        Self {
            end: Instant::now() + time,
            is_canceled: Arc::default(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_canceled.load(Ordering::Relaxed) || Instant::now() >= self.end
    }

    /// Returns the time that remains, or `None` if the read is over.
    #[cfg(feature = "postgres")]
    pub(super) fn remaining(&self) -> Option<Duration> {
        let left = self.end.saturating_duration_since(Instant::now());
        (!self.is_over() && !left.is_zero()).then_some(left)
    }

    /// Returns a guard that ends the read when it is dropped.
    pub(super) fn guard(&self) -> CancelOnDrop {
        CancelOnDrop(Arc::clone(&self.is_canceled))
    }
}

pub(super) struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
