//! The error for two routes that match the same stanzas.

use std::fmt;

use super::Filter;

/// Two routes match the same stanzas, and neither is more specific.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlapError {
    new: String,
    existing: String,
}

impl OverlapError {
    pub(super) fn new(new: &Filter, existing: &Filter, fallback: bool) -> Self {
        let name = |filter: &Filter| {
            if fallback {
                format!("fallback for {}", filter.recipient)
            } else {
                filter.to_string()
            }
        };
        Self {
            new: name(new),
            existing: name(existing),
        }
    }
}

impl fmt::Display for OverlapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "route \"{}\" overlaps registered route \"{}\"",
            self.new, self.existing
        )
    }
}

impl std::error::Error for OverlapError {}
