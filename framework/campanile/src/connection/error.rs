//! Stream errors, and the other ways in which a stream ends or never begins.

use std::fmt;
use std::io;

use super::reader::{ReadError, StreamElement};
use crate::stanza::Child;

/// Namespace of the conditions of stream errors (RFC 6120 §4.9.2).
const CONDITIONS: &str = "urn:ietf:params:xml:ns:xmpp-streams";

/// A stream error that the server sent (RFC 6120 §4.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    /// Name of the defined condition, such as `conflict`.
    pub condition: String,
    /// The server's words, where it has any. They come from outside: escape them where they are
    /// shown.
    pub text: Option<String>,
}

impl StreamError {
    pub(crate) fn read(error: &StreamElement) -> Self {
        let ours = |child: &Child<'_>| child.namespace() == CONDITIONS;
        let condition = error
            .children
            .iter()
            .find(|child| ours(child) && child.name() != "text");
        let text = error
            .children
            .find(CONDITIONS, "text")
            .map(|text| text.text().into_owned());
        Self {
            condition: condition
                .map_or("undefined-condition", |child| child.name())
                .to_owned(),
            text,
        }
    }
}

impl StreamError {
    /// What stands for the error that was never read. Prosody closes the socket with bytes unread
    /// behind it, and the reset that follows may reach us before the error does.
    pub(super) fn silent() -> Self {
        let text = "the connection breaks after this stanza, and after no other".to_owned();
        Self {
            condition: "undefined-condition".to_owned(),
            text: Some(text),
        }
    }

    /// Whether the server takes offence at something that we have sent.
    pub(crate) fn is_about_a_stanza(&self) -> bool {
        // `invalid-xml` is what RFC 6120 §4.9.3.11 has for what the schema does not allow.
        matches!(
            self.condition.as_str(),
            "not-well-formed" | "policy-violation" | "invalid-from" | "invalid-xml"
        )
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.condition)?;
        match &self.text {
            // Debug escapes what must not reach a terminal or a log line as it is.
            Some(text) => write!(f, " ({text:?})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StreamError {}

/// Why there is no stream, or no longer one.
#[derive(Debug)]
#[non_exhaustive]
pub enum LinkError {
    /// The server could not be reached, or the socket failed.
    Io(io::Error),
    /// The server said why.
    Stream(StreamError),
    /// The server sent what no stream may hold.
    Read(ReadError),
    /// The server closed the stream, or the connection, without a word: what both do when they
    /// stop.
    Closed,
    /// Connecting, header or handshake took too long; the text says which.
    TimedOut(&'static str),
    /// The server sent something else than the protocol has in this place.
    Protocol(&'static str),
    /// The ping to ourselves did not come back: the link stands, but nothing is routed to it.
    NoRoute,
    /// Nothing could be written for too long.
    Stalled,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Stream(error) => write!(f, "the server ended the stream: {error}"),
            Self::Read(error) => write!(f, "the server sent what cannot be read: {error}"),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::TimedOut(what) => write!(f, "no answer in time: {what}"),
            Self::Protocol(what) => f.write_str(what),
            Self::NoRoute => {
                f.write_str("a ping to ourselves through the server did not come back")
            }
            Self::Stalled => f.write_str("the server takes no more bytes"),
        }
    }
}

impl std::error::Error for LinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Stream(error) => Some(error),
            Self::Read(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ReadError> for LinkError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}
