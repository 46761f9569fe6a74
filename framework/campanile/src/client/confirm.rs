//! Confirmed sending: a stanza is kept and resent until the server is known to have accepted it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::{Client, Completion, Entry, Shared};
use crate::error::BoxError;
use crate::error::StreamError;
use crate::limits::Limits;
use crate::stanza::{Stanza, WriteError};

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

/// The error of [`Client::send_confirmed`]: the server is not known to have accepted the stanza.
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

/// The budget for unconfirmed stanzas, by count and by bytes.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: Arc<Semaphore>,
    all: u32,
    /// The minimum charge for one stanza, which bounds their number.
    least: u32,
    /// The default timeout of a stanza.
    age: Duration,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        let all = limits
            .unconfirmed_bytes
            .max(limits.max_stanza_out)
            .min(Semaphore::MAX_PERMITS);
        let all = u32::try_from(all).unwrap_or(u32::MAX);
        let count = u32::try_from(limits.unconfirmed).unwrap_or(u32::MAX);
        let bytes = Arc::new(Semaphore::new(all as usize));
        Self {
            bytes,
            all,
            least: (all / count.max(1)).max(1),
            age: limits.unconfirmed_age,
        }
    }

    pub(super) fn close(&self) {
        self.bytes.close();
    }

    async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes)
            .unwrap_or(u32::MAX)
            .clamp(self.least, self.all);
        Arc::clone(&self.bytes).acquire_many_owned(bytes).await.ok()
    }
}

impl Client {
    /// Sends a stanza and waits until the server has accepted it, for up to
    /// [`Limits::unconfirmed_age`].
    ///
    /// The stanza is kept until a ping that was written after it has come back through the server.
    /// If the connection is lost before that, the stanza is sent again on the next stream with the
    /// same id, so the recipient gets it at least once. Stanzas sent at the same time share one
    /// ping: for throughput, keep many in flight. The number of unconfirmed stanzas is bounded by
    /// [`Limits::unconfirmed`]; beyond that, this method waits.
    ///
    /// *Accepted* means that the server has routed the stanza. Whether it reached its recipient
    /// only the recipient can tell (delivery receipts, XEP-0184). A stanza that cannot be delivered
    /// comes back as an error stanza.
    ///
    /// Dropping the future gives the stanza up: it is not sent again, and not sent at all if it has
    /// not been written yet.
    ///
    /// ```
    /// # use campanile::{client::{Client, ConfirmError}, error::BoxError, jid::Jid};
    /// use campanile::stanza::Stanza;
    ///
    /// # async fn example(client: Client, to: Jid) -> Result<(), BoxError> {
    /// let invoice = Stanza::chat(to, "Your invoice is ready")?.with_id("invoice-4711");
    /// match client.send_confirmed(invoice).await {
    ///     Ok(confirmation) => println!("accepted after {} stream(s)", confirmation.streams),
    ///     Err(ConfirmError::Unknown) => println!("unknown; retry with the same id"),
    ///     Err(error) => println!("not sent: {error}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`ConfirmError`].
    pub async fn send_confirmed(&self, stanza: Stanza) -> Result<Confirmation, ConfirmError> {
        self.send_confirmed_within(stanza, self.shared.unconfirmed.age)
            .await
    }

    /// Like [`send_confirmed`](Self::send_confirmed), with a timeout for this stanza that starts
    /// now.
    ///
    /// # Errors
    /// See [`ConfirmError`].
    pub async fn send_confirmed_within(
        &self,
        stanza: Stanza,
        time: Duration,
    ) -> Result<Confirmation, ConfirmError> {
        let streams = Arc::new(AtomicU32::new(0));
        let result = timeout(time, self.shared.confirmed(stanza, Arc::clone(&streams))).await;
        let streams = streams.load(Ordering::Relaxed);
        match result {
            Ok(Ok(())) => Ok(Confirmation { streams }),
            Ok(Err(ConfirmError::Closed)) | Err(_) if streams > 0 => Err(ConfirmError::Unknown),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ConfirmError::Expired),
        }
    }
}

impl Shared {
    async fn confirmed(
        &self,
        mut stanza: Stanza,
        streams: Arc<AtomicU32>,
    ) -> Result<(), ConfirmError> {
        // Presence gets an id as well, because it may be sent more than once.
        if stanza.id().is_none() {
            stanza.set_id(Some(&self.ids.fresh()));
        }
        let content = self.encode(stanza).map_err(ConfirmError::Write)?;
        let permit = self
            .unconfirmed
            .take(content.len())
            .await
            .ok_or(ConfirmError::Closed)?;
        let (taken, done) = oneshot::channel();
        let confirm = Box::new(Confirm {
            taken,
            streams,
            _permit: permit,
        });
        self.queue.push(Entry {
            content,
            completion: Completion::Confirmed(confirm),
        });
        done.await.unwrap_or(Err(ConfirmError::Closed))
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
            Self::Refused(error) => Some(error),
            Self::Expired | Self::Unknown | Self::Closed => None,
        }
    }
}
