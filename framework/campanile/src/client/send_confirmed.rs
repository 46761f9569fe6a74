//! Confirmed sending: a stanza is kept and resent until the server is known to have accepted it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::{Client, Completion, Confirm, ConfirmError, Confirmation, Entry, Shared};
use crate::limits::Limits;
use crate::stanza::Stanza;

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
        let confirm = Confirm::new(taken, streams, permit);
        self.queue.push(Entry {
            content,
            completion: Completion::Confirmed(Box::new(confirm)),
        });
        done.await.unwrap_or(Err(ConfirmError::Closed))
    }
}
