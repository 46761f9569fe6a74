//! Errors of sending stanzas and of IQ requests.

use std::fmt;

use crate::error::StreamError;
use crate::error::{BoxError, StanzaError};
use crate::stanza::{ParseError, WriteError};

/// The error of [`Client::send`](super::Client::send): the stanza was not sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// The stanza cannot be serialized. Nothing was written to the stream.
    Write(WriteError),
    /// An outbound layer rejected the stanza or held it for too long. Nothing was written to the
    /// stream.
    Layer(BoxError),
    /// The server closes the stream while this stanza is being written, even when it is sent alone.
    /// Most likely it is too large for the server. It is not sent again.
    Refused(StreamError),
    /// The component has ended and will not reconnect.
    Closed,
}

/// The error of an IQ request.
#[derive(Debug)]
#[non_exhaustive]
pub enum IqError {
    /// The peer replied with an error.
    Refused(StanzaError),
    /// The payload of the result is not of the expected type.
    Answer(ParseError),
    /// No response arrived within the timeout. Whether the peer processed the request is unknown.
    Timeout,
    /// The component is not connected, or the connection was lost before the response arrived. In
    /// the second case, whether the peer processed the request is unknown.
    Disconnected,
    /// [`Limits::max_pending_iqs`](crate::limits::Limits::max_pending_iqs) requests are already
    /// waiting for a response.
    TooMany,
    /// More messages came with the response than the limits allow; see
    /// [`ResponseCollector`](super::ResponseCollector).
    TooMuch,
    /// The request cannot be serialized.
    Write(WriteError),
    /// A layer rejected the request: one around the client, or an outbound layer of the component.
    Layer(BoxError),
    /// The component has ended and will not reconnect.
    Closed,
}

impl SendError {
    /// Converts the error of an outbound layer; a write error passed through is unwrapped.
    pub(crate) fn of_layer(error: BoxError) -> Self {
        error
            .downcast()
            .map_or_else(Self::Layer, |error| Self::Write(*error))
    }
}

impl IqError {
    /// Converts the error of a layer; an error of the writer or of the client passed through is
    /// unwrapped.
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
            Self::Write(_) => f.write_str("cannot serialize the stanza"),
            Self::Layer(_) => f.write_str("an outbound layer rejected the stanza"),
            Self::Refused(error) => {
                write!(
                    f,
                    "the server closes the stream because of this stanza: {error}"
                )
            }
            Self::Closed => f.write_str("the component has ended"),
        }
    }
}

impl fmt::Display for IqError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused(_) => "the peer replied with an error",
            Self::Answer(_) => "unexpected payload in the response",
            Self::Timeout => "no response within the timeout",
            Self::Disconnected => "not connected to the server",
            Self::TooMany => "too many pending requests",
            Self::TooMuch => "the response exceeds the limits for collected messages",
            Self::Write(_) => "cannot serialize the request",
            Self::Layer(_) => "a layer rejected the request",
            Self::Closed => "the component has ended",
        })
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Write(error) => Some(error),
            Self::Layer(error) => Some(&**error),
            // `Display` includes the stream error.
            Self::Refused(_) | Self::Closed => None,
        }
    }
}

// The peer's error is not a source: `?` in a handler must not forward the words of one peer to
// another.
impl std::error::Error for IqError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Write(error) => Some(error),
            Self::Layer(error) => Some(&**error),
            _ => None,
        }
    }
}
