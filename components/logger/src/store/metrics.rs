//! What the thread that writes has done, and what waits for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use campanile::metrics::{AtomicHistogram, Metric};

use super::StoreError;

/// Counted since the process began; all loggers of a store count together.
#[derive(Debug, Default)]
pub(super) struct StoreMetrics {
    kept: AtomicU64,
    failed: AtomicU64,
    commits: AtomicHistogram,
}

impl StoreMetrics {
    /// A transaction is over, with these outcomes.
    pub(super) fn committed<T>(&self, outcomes: &[Result<T, StoreError>], took: Duration) {
        let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
        self.kept.fetch_add(kept, Ordering::Relaxed);
        self.failed
            .fetch_add(outcomes.len() as u64 - kept, Ordering::Relaxed);
        self.commits.record(took);
    }

    /// An entry was turned away because too much waits.
    pub(super) fn rejected(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "no count of what waits in memory comes near 2^52"
    )]
    pub(super) fn metrics(&self, waiting: usize, most: usize) -> Vec<Metric> {
        const ENTRIES: (&str, &str) = (
            "campanile_store_entries_total",
            "Entries by whether they are on the disk",
        );
        let entries = |outcome, count: &AtomicU64| {
            Metric::counter(ENTRIES.0, ENTRIES.1, count.load(Ordering::Relaxed))
                .with("outcome", outcome)
        };
        vec![
            entries("kept", &self.kept),
            entries("failed", &self.failed),
            Metric::gauge(
                "campanile_store_waiting",
                "Entries that wait for the disk",
                waiting as f64,
            ),
            Metric::gauge(
                "campanile_store_waiting_limit",
                "How many entries may wait for the disk",
                most as f64,
            ),
            Metric::histogram(
                "campanile_store_commit_seconds",
                "How long transactions took",
                self.commits.snapshot(),
            ),
        ]
    }
}
