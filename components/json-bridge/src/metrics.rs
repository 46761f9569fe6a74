//! Counters of a bridge.

use std::sync::atomic::{AtomicU64, Ordering};

use campanile::supervise::TaskFailures;

/// A monotonic counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds to the counter and returns its previous value.
    pub(crate) fn add(&self, more: u64) -> u64 {
        self.0.fetch_add(more, Ordering::Relaxed)
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of a bridge; see [`BridgeMetrics`] for their meaning.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) delivered: Counter,
    pub(crate) refused: Counter,
    pub(crate) failed: Counter,
    pub(crate) dead: Counter,
    pub(crate) turned_away: Counter,
    pub(crate) bad_answers: Counter,
    pub(crate) dropped_answers: Counter,
    pub(crate) accepted: Counter,
    pub(crate) lost_answers: Counter,
    pub(crate) tasks: TaskFailures,
}

/// A snapshot of the counters of a bridge, since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct BridgeMetrics {
    /// Messages that a webhook accepted.
    pub delivered: u64,
    /// Messages that a webhook rejected permanently.
    pub refused: u64,
    /// Delivery attempts that failed and are retried.
    pub failed: u64,
    /// Messages given up, and kept as dead letters where there is an outbox.
    pub dead: u64,
    /// Messages rejected with `resource-constraint` because a queue was full or could not store
    /// them.
    pub turned_away: u64,
    /// Webhook responses and broker messages that are not valid stanzas, or that the bot is not
    /// permitted to send.
    pub bad_answers: u64,
    /// Webhook responses to messages that get no automatic reply, such as errors.
    pub dropped_answers: u64,
    /// Stanzas accepted from clients of the HTTP API, or sent for bots behind a broker.
    pub accepted: u64,
    /// IQ responses for other bridges on the same JID that could not be forwarded through the
    /// broker.
    pub lost_answers: u64,
    /// Panics of background tasks, which were restarted.
    pub panics: u64,
}

impl Metrics {
    pub(crate) fn snapshot(&self) -> BridgeMetrics {
        BridgeMetrics {
            delivered: self.delivered.read(),
            refused: self.refused.read(),
            failed: self.failed.read(),
            dead: self.dead.read(),
            turned_away: self.turned_away.read(),
            bad_answers: self.bad_answers.read(),
            dropped_answers: self.dropped_answers.read(),
            accepted: self.accepted.read(),
            lost_answers: self.lost_answers.read(),
            panics: self.tasks.count(),
        }
    }
}
