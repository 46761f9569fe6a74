//! Two routes that want the same stanza.

use std::fmt;

use super::Filter;

/// Two routes that want the same stanza with equal right.
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
            "the route \"{}\" overlaps with \"{}\", which is there already",
            self.new, self.existing
        )
    }
}

impl std::error::Error for OverlapError {}
