//! Why something is not kept or not found.

use std::fmt;

use campanile::error::{BoxError, Condition, StanzaError};

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// More waits to be written than the bounds allow.
    Full,
    /// Somebody else holds the database.
    Busy,
    /// There is no room on the disk.
    NoSpace,
    /// The sender, or its domain, keeps as much as it may.
    Quota,
    /// There is no entry of that id.
    NotFound,
    /// The database cannot be reached, with the reason.
    Unavailable(String),
    /// A fault, with the reason.
    Fault(String),
}

impl StoreError {
    /// What a peer is told: whether and when it may try again, and nothing of the reason.
    #[must_use]
    pub fn to_stanza_error(&self) -> StanzaError {
        let wait = |text| StanzaError::new(Condition::ResourceConstraint).with_text(text);
        match self {
            Self::Full => wait("more waits to be archived than can be taken"),
            Self::Busy | Self::NoSpace | Self::Unavailable(_) => {
                wait("the archive cannot be written now")
            }
            Self::Quota => wait("you keep as much here as you may"),
            Self::NotFound => StanzaError::new(Condition::ItemNotFound),
            Self::Fault(_) => StanzaError::new(Condition::InternalServerError),
        }
    }

    /// The error as handlers give it: the peer's part is found in its chain.
    pub(crate) fn to_box(&self) -> BoxError {
        Box::new(self.to_stanza_error())
    }

    /// Whether the connection may be at fault, so that a new one is worth a try.
    pub(crate) const fn is_fatal(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Fault(_))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("more waits to be written than the bounds allow"),
            Self::Busy => f.write_str("somebody else holds the database"),
            Self::NoSpace => f.write_str("there is no room on the disk"),
            Self::Quota => f.write_str("the quota is used up"),
            Self::NotFound => f.write_str("no such entry"),
            Self::Unavailable(why) => write!(f, "the database cannot be reached: {why}"),
            Self::Fault(why) => write!(f, "the database failed: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}
