//! Errors of routes that cannot be added to a router.

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

/// Routes cannot be restricted to a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NestError {
    /// The recipient is not a valid pattern.
    Recipient(String),
    /// A route can never match within the recipient.
    Unreachable {
        /// The recipients of the route, a pattern.
        route: String,
        /// The pattern that it was to be restricted to.
        recipient: String,
    },
    /// A route overlaps one that is already registered.
    Overlap(OverlapError),
}

impl fmt::Display for NestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recipient(why) => f.write_str(why),
            Self::Unreachable { route, recipient } => {
                write!(f, "a route for {route} can never match within {recipient}")
            }
            Self::Overlap(overlap) => overlap.fmt(f),
        }
    }
}

impl std::error::Error for NestError {}
