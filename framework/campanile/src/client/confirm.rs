//! The outcome of a confirmed stanza, and the way it is reported to the sender.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::error::BoxError;
use crate::error::StreamError;
use crate::stanza::WriteError;

/// Proof that the server has accepted a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Confirmation {
    /// The number of streams on which the stanza was written.
    ///
    /// If this is more than one, the recipient may have received the stanza more than once, each
    /// time with the same id.
    pub streams: u32,
}

/// The error of [`send_confirmed`](super::Client::send_confirmed): the server is not known to have
/// accepted the stanza.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfirmError {
    /// The stanza cannot be serialized. Nothing was written to the stream.
    Write(WriteError),
    /// An outbound layer rejected the stanza or held it for too long. Nothing was written to the
    /// stream.
    Layer(BoxError),
    /// The timeout elapsed before the stanza was written: it was not sent.
    Expired,
    /// The stanza was written, but the timeout elapsed or the component ended before the server was
    /// known to have accepted it.
    Unknown,
    /// The server closes the stream because of this stanza; it is not sent again.
    ///
    /// The stanza was sent alone, between two pings, and the stream ended each time. If the server
    /// gave no readable reason, the condition is `undefined-condition`.
    Refused(StreamError),
    /// The component ended before the stanza was written: it was not sent.
    Closed,
}

/// The sender's side of a confirmed stanza.
#[derive(Debug)]
pub(crate) struct Confirm {
    taken: oneshot::Sender<Result<(), ConfirmError>>,
    streams: Arc<AtomicU32>,
    /// The share of the budget that the stanza occupies until it is confirmed or given up.
    _permit: OwnedSemaphorePermit,
}

impl Confirm {
    pub(super) fn new(
        taken: oneshot::Sender<Result<(), ConfirmError>>,
        streams: Arc<AtomicU32>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            taken,
            streams,
            _permit: permit,
        }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        !self.taken.is_closed()
    }

    /// Records that the whole stanza was written to the socket.
    pub(crate) fn written(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(self, result: Result<(), ConfirmError>) {
        // The sender may have dropped its future; then the result is not needed.
        let _ = self.taken.send(result);
    }
}

impl ConfirmError {
    /// Converts the error of an outbound layer; a write error passed through is unwrapped.
    pub(crate) fn of_layer(error: BoxError) -> Self {
        error
            .downcast()
            .map_or_else(Self::Layer, |error| Self::Write(*error))
    }
}

impl fmt::Display for ConfirmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(_) => f.write_str("cannot serialize the stanza"),
            Self::Layer(_) => f.write_str("an outbound layer rejected the stanza"),
            Self::Expired => f.write_str("timed out before the stanza was sent"),
            Self::Unknown => {
                f.write_str("the stanza was sent, but the server did not confirm it in time")
            }
            Self::Refused(error) => {
                write!(
                    f,
                    "the server closes the stream because of this stanza: {error}"
                )
            }
            Self::Closed => f.write_str("the component ended before the stanza was sent"),
        }
    }
}

impl std::error::Error for ConfirmError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Write(error) => Some(error),
            Self::Layer(error) => Some(&**error),
            // `Display` includes the stream error.
            Self::Refused(_) | Self::Expired | Self::Unknown | Self::Closed => None,
        }
    }
}
