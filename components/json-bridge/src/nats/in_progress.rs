//! Messages of a stream that are being processed.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use async_trait::async_trait;
use campanile::error::BoxError;
use campanile::supervise::TaskFailures;
use parking_lot::{Mutex, MutexGuard};
use tokio::task::AbortHandle;

use crate::outbox::ExternalAck;

/// The broker redelivers a message, possibly to another process, if it gets neither an
/// acknowledgment nor a progress report within this time.
pub(super) const ACK_WAIT: Duration = Duration::from_secs(30);
/// Interval of progress reports.
const PROGRESS: Duration = Duration::from_secs(10);

/// The messages of one consumer that this process is working on, by stream sequence number.
///
/// Cloning is cheap.
#[derive(Debug, Clone)]
pub(super) struct InProgress {
    sequences: Arc<Mutex<HashSet<u64>>>,
    tasks: TaskFailures,
}

/// A message that has not been acknowledged yet.
///
/// The broker gets progress reports until the value is dropped. A message that is dropped without
/// an acknowledgment is redelivered.
pub(super) struct UnackedMessage {
    message: Arc<Message>,
    sequence: u64,
    in_progress: InProgress,
    progress: AbortHandle,
}

impl InProgress {
    /// `tasks` counts the failures of progress reports.
    pub(super) fn new(tasks: TaskFailures) -> Self {
        Self {
            sequences: Arc::default(),
            tasks,
        }
    }

    /// Starts tracking a message.
    ///
    /// Returns `None` if this process is working on it already: the broker redelivers a message if
    /// a progress report was lost.
    pub(super) fn track(&self, message: Message) -> Option<UnackedMessage> {
        let sequence = message.info().ok()?.stream_sequence;
        if !self.all().insert(sequence) {
            return None;
        }
        let message = Arc::new(message);
        let reported = Arc::clone(&message);
        let tasks = self.tasks.clone();
        let progress = tokio::spawn(async move {
            tasks
                .until_ok("progress reports", || report_progress(&reported))
                .await;
        });
        Some(UnackedMessage {
            message,
            sequence,
            in_progress: self.clone(),
            progress: progress.abort_handle(),
        })
    }

    fn all(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.sequences.lock()
    }
}

/// Tells the broker that a message is being worked on, until dropped.
async fn report_progress(message: &Message) -> Result<(), BoxError> {
    loop {
        tokio::time::sleep(PROGRESS).await;
        if let Err(error) = message.ack_with(AckKind::Progress).await {
            tracing::debug!("progress report failed: {error}");
        }
    }
}

impl UnackedMessage {
    pub(super) fn message(&self) -> &Message {
        &self.message
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns `Nats-Msg-Id`, which is the same on each delivery.
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

    /// Returns an id for a message that was published without `Nats-Msg-Id`.
    ///
    /// Sequence numbers begin again when a stream is created again, so the time is part of it.
    pub(super) fn fallback_id(&self, prefix: &str) -> String {
        format!("{prefix}{}-{}", self.sequence, self.published())
    }

    /// Returns the time at which the broker stored the message, in milliseconds since 1970.
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
                "acknowledgment failed, the broker will redeliver: {error}"
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
