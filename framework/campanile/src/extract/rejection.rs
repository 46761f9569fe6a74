//! Why something could not be taken from a stanza.

use std::error::Error;
use std::fmt;

use super::state::MissingExtension;
use crate::error::{BoxError, Condition, StanzaError};
use crate::stanza::ParseError;

/// A stanza does not have what a handler asks for. It carries the error that the peer is told.
#[derive(Debug)]
pub struct Rejection {
    error: Box<StanzaError>,
    missing: bool,
}

impl Rejection {
    /// The thing is not there at all: `Option` of the extractor is `None`.
    #[must_use]
    pub fn missing(error: impl Into<StanzaError>) -> Self {
        Self {
            error: Box::new(error.into()),
            missing: true,
        }
    }

    /// The thing is there, and a bad one: `Option` of the extractor is refused, too.
    #[must_use]
    pub fn invalid(error: impl Into<StanzaError>) -> Self {
        Self {
            error: Box::new(error.into()),
            missing: false,
        }
    }

    /// Whether the thing is not there at all.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        self.missing
    }

    /// What the peer is told.
    #[must_use]
    pub fn stanza_error(&self) -> &StanzaError {
        &self.error
    }
}

impl From<ParseError> for Rejection {
    fn from(error: ParseError) -> Self {
        let told = StanzaError::new(Condition::BadRequest).with_text(error.to_string());
        Self {
            error: Box::new(told),
            missing: error.is_absent(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stanza does not have what the handler asks for")
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
