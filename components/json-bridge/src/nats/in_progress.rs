//! Messages of a stream that are being worked on.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use async_trait::async_trait;
use tokio::task::AbortHandle;

use crate::outbox::ExternalAck;

/// The broker gives a message to somebody else when it has heard nothing of it for this long.
pub(super) const ACK_WAIT: Duration = Duration::from_secs(30);
/// How often it hears that a message is still worked on.
const PROGRESS: Duration = Duration::from_secs(10);

/// The messages of one consumer that are here, by their numbers in the stream. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub(super) struct InProgress(Arc<Mutex<HashSet<u64>>>);

/// One of them. Until it is done the broker hears that it is worked on; dropped before, the broker
/// gives it out again.
pub(super) struct UnackedMessage {
    message: Arc<Message>,
    sequence: u64,
    in_progress: InProgress,
    progress: AbortHandle,
}

impl InProgress {
    /// Takes a message, unless it is here already: the broker may give it out again when it has
    /// missed our word.
    pub(super) fn track(&self, message: Message) -> Option<UnackedMessage> {
        let sequence = message.info().ok()?.stream_sequence;
        if !self.all().insert(sequence) {
            return None;
        }
        let message = Arc::new(message);
        let told = Arc::clone(&message);
        let progress = tokio::spawn(async move {
            loop {
                tokio::time::sleep(PROGRESS).await;
                if let Err(error) = told.ack_with(AckKind::Progress).await {
                    tracing::debug!("the broker cannot be told of progress: {error}");
                }
            }
        });
        Some(UnackedMessage {
            message,
            sequence,
            in_progress: self.clone(),
            progress: progress.abort_handle(),
        })
    }

    fn all(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnackedMessage {
    pub(super) fn message(&self) -> &Message {
        &self.message
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// `Nats-Msg-Id`, the same each time.
    pub(super) fn id(&self) -> Option<String> {
        Some(
            self.message
                .headers
                .as_ref()?
                .get("Nats-Msg-Id")?
                .as_str()
                .to_owned(),
        )
    }

    /// Milliseconds since 1970 when the broker got it.
    pub(super) fn published(&self) -> i64 {
        let info = self.message.info();
        let nanos = info
            .map(|info| info.published.unix_timestamp_nanos())
            .unwrap_or_default();
        i64::try_from(nanos / 1_000_000).unwrap_or_default()
    }
}

#[async_trait]
impl ExternalAck for UnackedMessage {
    async fn ack(&self) {
        if let Err(error) = self.message.ack().await {
            tracing::warn!(
                sequence = self.sequence,
                "the broker cannot be told that a message is done: {error}"
            );
        }
    }
}

impl Drop for UnackedMessage {
    fn drop(&mut self) {
        self.progress.abort();
        self.in_progress.all().remove(&self.sequence);
    }
}

impl fmt::Debug for UnackedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnackedMessage")
            .field(&self.sequence)
            .finish()
    }
}
