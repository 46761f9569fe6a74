//! The reasons why a stream ends or cannot be opened.

use std::fmt;
use std::io;

use campanile_stanza::error::StreamError;
use campanile_stanza::reader::ReadError;

/// The reason why a stream ended or could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum LinkError {
    /// Connecting failed, or the socket did.
    Io(io::Error),
    /// The server sent a stream error.
    Stream(StreamError),
    /// The server sent bytes that are not a valid stream.
    Read(ReadError),
    /// The server closed the stream or the connection without an error, as Prosody and ejabberd
    /// do when they stop.
    Closed,
    /// Connecting, the stream header or the handshake timed out; the text says which.
    TimedOut(&'static str),
    /// The server sent something that the protocol does not allow at this point.
    Protocol(&'static str),
    /// The component's ping to itself did not return: the connection is up, but the server routes
    /// nothing to it.
    NoRoute,
    /// A write made no progress for longer than the limit.
    Stalled,
    /// The code that serves the stream panicked, with this message: an internal error.
    Panicked(String),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Stream(error) => write!(f, "stream error from the server: {error}"),
            Self::Read(error) => write!(f, "invalid stream from the server: {error}"),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::TimedOut(what) => write!(f, "timed out: {what}"),
            Self::Protocol(what) => f.write_str(what),
            Self::NoRoute => f.write_str("self-ping through the server timed out"),
            Self::Stalled => f.write_str("the server stopped reading from the connection"),
            Self::Panicked(why) => write!(f, "internal error, please report it: {why}"),
        }
    }
}

// `Display` includes the inner error, so the chain continues with its source.
impl std::error::Error for LinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
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
