//! The ways in which a stream ends or never begins.

use std::fmt;
use std::io;

use campanile_stanza::error::StreamError;
use campanile_stanza::reader::ReadError;

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
