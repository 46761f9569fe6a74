//! How sending and asking fail.

use std::fmt;

use crate::error::StreamError;
use crate::error::{BoxError, StanzaError};
use crate::stanza::{ParseError, WriteError};

/// A stanza was not sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// It cannot be written; the stream has seen nothing of it.
    Write(WriteError),
    /// An outbound layer refused it, or kept it for too long; the stream has seen nothing of it.
    Layer(BoxError),
    /// The server ends streams while this stanza is being written, also with nothing else beside
    /// it: it is too large for it, most likely. It will not be sent again.
    Refused(StreamError),
    /// The component has ended, and will not connect again.
    Closed,
}

/// A request has no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum IqError {
    /// The peer answered with an error.
    Refused(StanzaError),
    /// The peer's result is not what was asked for.
    Answer(ParseError),
    /// No answer came in time. Whether the request was carried out is not known.
    Timeout,
    /// The link is down, or broke before the answer came. Whether the request was carried out is
    /// not known.
    Disconnected,
    /// As many requests as the bound allows are waiting already.
    TooMany,
    /// More messages came with the answer than the bound allows; see [`ResponseCollector`](super::ResponseCollector).
    TooMuch,
    /// The request cannot be written.
    Write(WriteError),
    /// A layer refused the request: one around the client, or one on the way out of the component.
    Layer(BoxError),
    /// The component has ended, and will not connect again.
    Closed,
}

impl SendError {
    /// Layers pass on what the writer says, and add their own.
    pub(crate) fn of_layer(error: BoxError) -> Self {
        error
            .downcast()
            .map_or_else(Self::Layer, |error| Self::Write(*error))
    }
}

impl IqError {
    /// Layers pass on what the writer or the client says, and add their own.
    pub(crate) fn of_layer(error: BoxError) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(error) => return *error,
            Err(error) => error,
        };
        if error.is::<tower::timeout::error::Elapsed>() {
            return Self::Timeout;
        }
        error
            .downcast()
            .map_or_else(Self::Layer, |error| Self::Write(*error))
    }
}

impl From<WriteError> for SendError {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

impl From<WriteError> for IqError {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(_) => f.write_str("the stanza cannot be written"),
            Self::Layer(_) => f.write_str("a layer did not let the stanza out"),
            Self::Refused(error) => {
                write!(f, "the server ends the stream over the stanza: {error}")
            }
            Self::Closed => f.write_str("the component has ended"),
        }
    }
}

impl fmt::Display for IqError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused(_) => "the peer answered with an error",
            Self::Answer(_) => "the peer's answer is not what was asked for",
            Self::Timeout => "no answer in time",
            Self::Disconnected => "the link to the server is down",
            Self::TooMany => "too many requests are waiting for answers",
            Self::TooMuch => "more came with the answer than can be taken",
            Self::Write(_) => "the request cannot be written",
            Self::Layer(_) => "a layer did not let the request out",
            Self::Closed => "the component has ended",
        })
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Write(error) => Some(error),
            Self::Layer(error) => Some(&**error),
            Self::Refused(error) => Some(error),
            Self::Closed => None,
        }
    }
}

// The peer's error is no source: `?` in a handler must not pass on to one peer what another one
// said.
impl std::error::Error for IqError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Write(error) => Some(error),
            Self::Layer(error) => Some(&**error),
            _ => None,
        }
    }
}
