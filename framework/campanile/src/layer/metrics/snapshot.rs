//! Snapshots of the metrics.

use std::fmt;

use crate::kinds::Kinds;
use crate::metrics::Histogram;
use crate::stanza::Kind;

/// The outcome of a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The handler accepted it. A deferred reply may still follow
    /// ([`Deferred`](crate::reply::Reply::Deferred)).
    Done,
    /// The handler replied with a stanza error.
    Refused,
    /// The handler or a layer failed, or no route matched.
    Failed,
    /// The call was dropped before it completed: by an outer timeout, the end of the component, or
    /// a panic.
    Abandoned,
    /// The rate limit of its sender rejected it. Its sender got an error, unless it got one for
    /// another stanza within the last second.
    SenderLimit,
    /// The rate limit of its domain rejected it.
    DomainLimit,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 6] = [
        Self::Done,
        Self::Refused,
        Self::Failed,
        Self::Abandoned,
        Self::SenderLimit,
        Self::DomainLimit,
    ];

    /// Returns the name used as a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
            Self::SenderLimit => "sender_limit",
            Self::DomainLimit => "domain_limit",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A snapshot of the counters of a [`MetricsLayer`](super::MetricsLayer).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsSnapshot {
    counts: Vec<(Kind, [u64; Outcome::ALL.len()])>,
    latency: [Histogram; 3],
}

impl MetricsSnapshot {
    pub(super) fn new(
        count: impl Fn(Kind) -> [u64; Outcome::ALL.len()],
        latency: [Histogram; 3],
    ) -> Self {
        Self {
            counts: Kinds::all().map(|kind| (kind, count(kind))).collect(),
            latency,
        }
    }

    /// Returns the number of stanzas of this kind and type with this outcome.
    #[must_use]
    pub fn count(&self, kind: Kind, outcome: Outcome) -> u64 {
        let counts = self.counts.iter().find(|(known, _)| *known == kind);
        counts.map_or(0, |(_, counts)| counts[outcome as usize])
    }

    /// Returns the count for every kind, type and outcome, including zeros.
    pub fn counts(&self) -> impl Iterator<Item = (Kind, Outcome, u64)> {
        self.counts.iter().flat_map(|(kind, counts)| {
            Outcome::ALL
                .into_iter()
                .zip(counts)
                .map(|(outcome, count)| (*kind, outcome, *count))
        })
    }

    /// Returns the latency of stanzas by kind: `iq`, `message` and `presence`.
    pub fn latencies(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        ["iq", "message", "presence"].into_iter().zip(&self.latency)
    }
}
