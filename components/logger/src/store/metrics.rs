//! Metrics of the writer thread and its queue.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use campanile::metrics::{AtomicHistogram, Metric};
use campanile::supervise::TaskFailures;

use super::StoreError;

/// Counters since the start of the process, summed over all loggers on the store.
#[derive(Debug, Default)]
pub(super) struct StoreMetrics {
    kept: AtomicU64,
    failed: AtomicU64,
    commits: AtomicHistogram,
    /// Failures of the writer thread and of the maintenance.
    pub(super) tasks: TaskFailures,
}

impl StoreMetrics {
    /// Records the outcomes of a transaction.
    pub(super) fn committed<T>(&self, outcomes: &[Result<T, StoreError>], took: Duration) {
        let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
        self.kept.fetch_add(kept, Ordering::Relaxed);
        self.failed
            .fetch_add(outcomes.len() as u64 - kept, Ordering::Relaxed);
        self.commits.record(took);
    }

    /// Records an entry that was rejected because the queue is full.
    pub(super) fn rejected(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "the queue is far shorter than 2^52"
    )]
    pub(super) fn metrics(&self, waiting: usize, most: usize) -> Vec<Metric> {
        const ENTRIES: (&str, &str) = (
            "campanile_store_entries_total",
            "Entries by outcome: kept (on disk) or failed",
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
                "Entries waiting to be written",
                waiting as f64,
            ),
            Metric::gauge(
                "campanile_store_waiting_limit",
                "Maximum number of entries waiting to be written",
                most as f64,
            ),
            Metric::counter(
                "campanile_store_task_failures_total",
                "Panics and failures of background tasks, which were restarted",
                self.tasks.count(),
            ),
            Metric::histogram(
                "campanile_store_commit_seconds",
                "Duration of transactions",
                self.commits.snapshot(),
            ),
        ]
    }
}
