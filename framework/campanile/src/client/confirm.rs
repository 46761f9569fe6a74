//! Sending until the server is known to have taken a stanza.

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

/// The server has taken a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Confirmation {
    /// To how many streams it was written. When that is more than one, the recipient may have got
    /// it more than once, each time with the same id.
    pub streams: u32,
}

/// A stanza is not known to have been taken by the server.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfirmError {
    /// It cannot be written; the stream has seen nothing of it.
    Write(WriteError),
    /// An outbound layer refused it, or kept it for too long; the stream has seen nothing of it.
    Layer(BoxError),
    /// Its time was over before it was written: it was not sent.
    Expired,
    /// It was written, and its time was over, or the component ended, before the server was known
    /// to have taken it.
    Unknown,
    /// The server ends streams over it: it was tried alone, between two pings, and the stream ended
    /// each time. When the server gave no reason that could be read, the condition is
    /// `undefined-condition`. It will not be sent again.
    Refused(StreamError),
    /// The component ended before it was written: it was not sent.
    Closed,
}

/// Who waits for the server to take a stanza.
#[derive(Debug)]
pub(crate) struct Confirm {
    taken: oneshot::Sender<Result<(), ConfirmError>>,
    streams: Arc<AtomicU32>,
    /// The room that the stanza takes up until it is confirmed or given up.
    _permit: OwnedSemaphorePermit,
}

impl Confirm {
    pub(crate) fn is_wanted(&self) -> bool {
        !self.taken.is_closed()
    }

    /// The whole stanza has been given to the socket.
    pub(crate) fn written(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(self, result: Result<(), ConfirmError>) {
        // The sender may have gone away; then nobody misses the news.
        let _ = self.taken.send(result);
    }
}

/// Room for stanzas that are kept until they are confirmed, by their number and their bytes.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: Arc<Semaphore>,
    all: u32,
    /// A small stanza takes up this much, so that there are never too many of them.
    least: u32,
    /// How long a stanza is kept, unless its sender says otherwise.
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
    /// Sends a stanza and waits until the server has taken it, for [`Limits::unconfirmed_age`] at
    /// the most.
    ///
    /// The stanza is kept until a ping that was written after it has come back through the server.
    /// If the link breaks before that, it is sent again on the next stream, with the same id: the
    /// recipient gets it at least once. Stanzas that are sent at the same time share one ping, so
    /// have many under way where throughput matters. What may wait here is bounded:
    /// [`Limits::unconfirmed`].
    ///
    /// *Taken* means that the server has routed it. Whether it has reached its recipient only the
    /// recipient can say (XEP-0184), and what cannot be delivered comes back as an error stanza.
    ///
    /// Dropping the future gives the stanza up: it is not sent again, and not at all if it has not
    /// been written.
    ///
    /// ```
    /// # use campanile::{client::{Client, ConfirmError}, error::BoxError, jid::Jid};
    /// use campanile::stanza::Stanza;
    ///
    /// # async fn example(client: Client, to: Jid) -> Result<(), BoxError> {
    /// let invoice = Stanza::chat(to, "Your invoice is ready")?.with_id("invoice-4711");
    /// match client.send_confirmed(invoice).await {
    ///     Ok(taken) => println!("taken, on stream {}", taken.streams),
    ///     Err(ConfirmError::Unknown) => println!("perhaps; send it again with the same id"),
    ///     Err(error) => println!("no: {error}"),
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

    /// The same, with a time of its own, which begins now.
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
        // Presence, too: it may be sent more than once.
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
    /// Layers pass on what the writer says, and add their own.
    pub(crate) fn of_layer(error: BoxError) -> Self {
        error
            .downcast()
            .map_or_else(Self::Layer, |error| Self::Write(*error))
    }
}

impl fmt::Display for ConfirmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(_) => f.write_str("the stanza cannot be written"),
            Self::Layer(_) => f.write_str("a layer did not let the stanza out"),
            Self::Expired => {
                f.write_str("the time for the stanza was over before it could be sent")
            }
            Self::Unknown => {
                f.write_str("the stanza was sent, and whether the server has taken it is not known")
            }
            Self::Refused(error) => {
                write!(f, "the server ends the stream over the stanza: {error}")
            }
            Self::Closed => f.write_str("the component ended before the stanza could be sent"),
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
