//! Errors of the reader, after which the stream cannot continue.

use std::fmt;

/// The reason why received bytes are not a valid stream.
///
/// The stream cannot continue after it: send a stream error with [`condition`](Self::condition),
/// and close the connection. `Display` prints the condition and the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// The bytes are not namespace-well-formed XML: `not-well-formed`.
    NotWellFormed(&'static str),
    /// A comment, a processing instruction or a document type: `restricted-xml` (RFC 6120 §11.1).
    Restricted(&'static str),
    /// The encoding is not UTF-8: `unsupported-encoding` (RFC 6120 §4.9.3.22, §11.6).
    Encoding,
    /// The first element is not a stream header: `invalid-namespace` (RFC 6120 §4.8.1).
    NoStream,
    /// A single tag exceeds the limits: `policy-violation`.
    TagTooLarge,
}

impl ReadError {
    /// Returns the stream error condition of RFC 6120 §4.9.3 for this error.
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
            Self::Encoding => "encoding is not UTF-8",
            Self::NoStream => "first element is not a stream header",
            Self::TagTooLarge => "tag exceeds the limits",
        };
        write!(f, "{}: {why}", self.condition())
    }
}

impl std::error::Error for ReadError {}
