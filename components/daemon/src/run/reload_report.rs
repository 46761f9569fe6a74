//! The outcome of a reload, counted, and reported to the client that requested it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use campanile::serde_json::{Value, json};

use crate::config::{Failure, Fault};

/// Result of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Applied,
    Unchanged,
    Refused,
}

/// The result of a reload, with the reasons if it was refused.
#[derive(Debug)]
pub(crate) struct ReloadReport {
    pub(crate) outcome: Outcome,
    pub(crate) faults: Vec<ReloadFault>,
}

/// A reason that a reload was refused.
#[derive(Debug)]
pub(crate) enum ReloadFault {
    /// A fault in the file.
    InFile(Fault),
    /// A change that could not be applied, or a file that could not be read.
    Elsewhere(String),
}

/// Counts reloads by outcome.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    counts: [AtomicU64; 3],
    /// `true` if the last reload was refused.
    refused: AtomicBool,
}

impl Outcome {
    pub(crate) const ALL: [Self; 3] = [Self::Applied, Self::Unchanged, Self::Refused];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

impl ReloadReport {
    /// Reports a reload that changed nothing because of these faults.
    pub(super) fn refused(failure: Failure) -> Self {
        let faults = match failure {
            Failure::Unread { text, .. } => vec![ReloadFault::Elsewhere(text)],
            Failure::Wrong { faults, .. } => faults.into_iter().map(ReloadFault::InFile).collect(),
        };
        Self {
            outcome: Outcome::Refused,
            faults,
        }
    }
}

impl ReloadFault {
    /// Logs the fault.
    pub(super) fn log(&self) {
        match self {
            Self::Elsewhere(text) => tracing::error!("{text}"),
            Self::InFile(Fault {
                file,
                at: (line, column),
                what,
                remedy,
            }) => tracing::error!(file, line, column, remedy, "{what}"),
        }
    }

    /// Returns the text of the fault, and its place and remedy if it is in the file.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Elsewhere(text) => json!({ "what": text }),
            Self::InFile(Fault {
                file,
                at: (line, column),
                what,
                remedy,
            }) => json!({
                "file": file, "line": line, "column": column, "what": what, "remedy": remedy,
            }),
        }
    }
}

impl Reloads {
    pub(super) fn count(&self, outcome: Outcome) {
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
        self.refused
            .store(outcome == Outcome::Refused, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }

    /// Returns `true` if the last reload was refused.
    pub(crate) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }
}
