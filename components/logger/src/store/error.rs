//! The error type of stores.

use std::fmt;

use campanile::error::{BoxError, Condition, StanzaError};

/// The error of a store operation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The write queue is full, or too many queries are waiting.
    Full,
    /// The database is locked by another process, or a query has timed out.
    Busy,
    /// The query takes too long.
    TooSlow,
    /// The query is not acceptable, with the reason and the remedy.
    Query(String),
    /// The disk is full.
    NoSpace,
    /// The quota of the sender, or of their domain, is exceeded.
    Quota,
    /// No visible entry has this ID.
    NotFound,
    /// The database file was removed or replaced while in use. Every operation fails until it
    /// is back.
    Replaced(String),
    /// The database cannot be opened or reached, with the reason.
    Unavailable(String),
    /// An internal error, with the reason.
    Fault(String),
}

impl StoreError {
    /// Returns the stanza error for a peer: it tells whether a retry makes sense, but not the
    /// reason.
    #[must_use]
    pub fn to_stanza_error(&self) -> StanzaError {
        let of =
            |condition, text: &str| StanzaError::new(condition).with_text(text).with_lang("en");
        let wait = |text| of(Condition::ResourceConstraint, text);
        match self {
            Self::Full => wait("the archive is overloaded; try again later"),
            Self::Busy | Self::NoSpace | Self::Replaced(_) | Self::Unavailable(_) => {
                wait("the archive is unavailable; try again later")
            }
            Self::TooSlow => wait("the search takes too long; add words, or narrow the time"),
            Self::Query(why) => of(Condition::BadRequest, why),
            Self::Quota => wait("your storage quota is exceeded"),
            Self::NotFound => StanzaError::new(Condition::ItemNotFound),
            Self::Fault(_) => StanzaError::new(Condition::InternalServerError),
        }
    }

    /// Returns the error for handlers, with the stanza error in its chain.
    pub(crate) fn to_box(&self) -> BoxError {
        Box::new(self.to_stanza_error())
    }

    /// Returns `true` for the error of one query, as opposed to one of the database.
    pub(crate) const fn is_of_query(&self) -> bool {
        matches!(
            self,
            Self::NotFound | Self::Busy | Self::Full | Self::TooSlow | Self::Query(_)
        )
    }

    /// Returns `true` if the connection may be broken and should be reopened.
    pub(crate) const fn is_fatal(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Fault(_))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("queue is full"),
            Self::TooSlow => f.write_str("query takes too long"),
            Self::Query(why) => f.write_str(why),
            Self::Busy => f.write_str("database is locked or too slow"),
            Self::NoSpace => f.write_str("disk is full"),
            Self::Quota => f.write_str("quota exceeded"),
            Self::NotFound => f.write_str("no such entry"),
            Self::Replaced(why) => write!(f, "database file {why}"),
            Self::Unavailable(why) => write!(f, "database unavailable: {why}"),
            Self::Fault(why) => write!(f, "database error: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}
