//! What a bridge counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds, and says what it was before.
    pub(crate) fn add(&self, more: u64) -> u64 {
        self.0.fetch_add(more, Ordering::Relaxed)
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All of a bridge.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Messages that a webhook took.
    pub(crate) delivered: Counter,
    /// Messages that a webhook refused for good.
    pub(crate) refused: Counter,
    /// Attempts that failed and are made again.
    pub(crate) failed: Counter,
    /// Messages given up.
    pub(crate) dead: Counter,
    /// Messages turned away because as many as the bound allows were waiting.
    pub(crate) turned_away: Counter,
    /// Answers of webhooks that are no stanzas, or that the bot may not send.
    pub(crate) bad_answers: Counter,
    /// Stanzas accepted from callers.
    pub(crate) accepted: Counter,
    /// Answers to requests of other bridges that the broker did not take.
    pub(crate) lost_answers: Counter,
}

/// What a bridge has counted since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct BridgeMetrics {
    /// Messages that a webhook took.
    pub delivered: u64,
    /// Messages that a webhook refused for good.
    pub refused: u64,
    /// Attempts that failed and are made again.
    pub failed: u64,
    /// Messages given up.
    pub dead: u64,
    /// Messages turned away because as many as the bound allows were waiting.
    pub turned_away: u64,
    /// Answers of webhooks that are no stanzas, or that the bot may not send.
    pub bad_answers: u64,
    /// Stanzas accepted from callers.
    pub accepted: u64,
    /// Answers to requests of other bridges on the same JID that the broker did not take.
    pub lost_answers: u64,
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
            accepted: self.accepted.read(),
            lost_answers: self.lost_answers.read(),
        }
    }
}
