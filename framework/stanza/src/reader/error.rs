//! Why a stream cannot go on.

use std::fmt;

/// Why the stream cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// Not namespace-well-formed XML: stream error `not-well-formed`.
    NotWellFormed(&'static str),
    /// A comment, a processing instruction or a document type: `restricted-xml` (RFC 6120 §11.1).
    Restricted(&'static str),
    /// Not UTF-8: `unsupported-encoding` (RFC 6120 §4.9.3.22, §11.6).
    Encoding,
    /// The first element is no stream: `invalid-namespace` (RFC 6120 §4.8.1).
    NoStream,
    /// A single tag beyond the bound: `policy-violation`.
    TagTooLarge,
}

impl ReadError {
    /// The condition of the stream error that RFC 6120 §4.9.3 names for this.
    #[must_use]
    pub const fn condition(self) -> &'static str {
        match self {
            Self::NotWellFormed(_) => "not-well-formed",
            Self::Restricted(_) => "restricted-xml",
            Self::Encoding => "unsupported-encoding",
            Self::NoStream => "invalid-namespace",
            Self::TagTooLarge => "policy-violation",
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self {
            Self::NotWellFormed(why) | Self::Restricted(why) => why,
            Self::Encoding => "bytes that are no UTF-8",
            Self::NoStream => "the first element is no stream",
            Self::TagTooLarge => "a single tag beyond the bounds",
        };
        write!(f, "{}: {why}", self.condition())
    }
}

impl std::error::Error for ReadError {}
