//! The error of a failed extraction.

use std::error::Error;
use std::fmt;

use super::state::MissingExtension;
use crate::error::{BoxError, Condition, StanzaError};
use crate::stanza::ParseError;

/// A value is missing from a stanza or invalid. Holds the error that is sent to the peer.
#[derive(Debug)]
pub struct Rejection {
    error: Box<StanzaError>,
    missing: bool,
}

impl Rejection {
    /// Creates the rejection for a missing value. An `Option` of the extractor is then `None`.
    #[must_use]
    pub fn missing(error: impl Into<StanzaError>) -> Self {
        Self {
            error: Box::new(error.into()),
            missing: true,
        }
    }

    /// Creates the rejection for an invalid value. An `Option` of the extractor is rejected as
    /// well.
    #[must_use]
    pub fn invalid(error: impl Into<StanzaError>) -> Self {
        Self {
            error: Box::new(error.into()),
            missing: false,
        }
    }

    /// Returns `true` if the value is missing.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        self.missing
    }

    /// Returns the error that is sent to the peer.
    #[must_use]
    pub fn stanza_error(&self) -> &StanzaError {
        &self.error
    }
}

impl From<ParseError> for Rejection {
    fn from(error: ParseError) -> Self {
        let error_sent = StanzaError::new(Condition::BadRequest)
            .with_text(error.to_string())
            .with_lang("en");
        Self {
            error: Box::new(error_sent),
            missing: error.is_absent(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("extraction failed")
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}

pub(super) fn is_missing(error: &BoxError) -> bool {
    error.is::<MissingExtension>()
        || error
            .downcast_ref::<Rejection>()
            .is_some_and(Rejection::is_missing)
}
