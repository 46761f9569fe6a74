//! A reading of the counters.

use std::fmt;

use crate::metrics::Histogram;
use crate::router::Filter;
use crate::stanza::Kind;

/// What became of a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was handled; its answer may still come [later](crate::reply::Reply::Deferred).
    Done,
    /// A handler refused it.
    Refused,
    /// A handler or a layer failed, or there is no route for it.
    Failed,
    /// Nobody waited for the end: a timeout further out, the end of the component, or a panic.
    Abandoned,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Done, Self::Refused, Self::Failed, Self::Abandoned];

    /// Its name, for labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A reading of everything that a [`MetricsLayer`](super::MetricsLayer) has counted.
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
            counts: Filter::any()
                .kinds
                .iter()
                .map(|kind| (kind, count(kind)))
                .collect(),
            latency,
        }
    }

    /// How many stanzas of this kind and type had this outcome.
    #[must_use]
    pub fn count(&self, kind: Kind, outcome: Outcome) -> u64 {
        let counts = self.counts.iter().find(|(known, _)| *known == kind);
        counts.map_or(0, |(_, counts)| counts[outcome as usize])
    }

    /// Every kind and type with every outcome, those that never came included.
    pub fn counts(&self) -> impl Iterator<Item = (Kind, Outcome, u64)> {
        self.counts.iter().flat_map(|(kind, counts)| {
            Outcome::ALL
                .into_iter()
                .zip(counts)
                .map(|(outcome, count)| (*kind, outcome, *count))
        })
    }

    /// How many stanzas there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts().map(|(.., count)| count).sum()
    }

    /// How long IQ requests took.
    #[must_use]
    pub const fn iq_latency(&self) -> &Histogram {
        &self.latency[0]
    }

    /// How long messages took.
    #[must_use]
    pub const fn message_latency(&self) -> &Histogram {
        &self.latency[1]
    }

    /// How long presence took.
    #[must_use]
    pub const fn presence_latency(&self) -> &Histogram {
        &self.latency[2]
    }
}
