//! Messages of a stream that are being processed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
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
    messages: Arc<Mutex<HashMap<u64, Latest>>>,
    tasks: TaskFailures,
}

/// The latest delivery of a message, which acknowledgments and progress reports refer to: those of
/// an earlier one mean nothing to a consumer that was created again.
type Latest = Arc<Mutex<Arc<Message>>>;

/// A message that has not been acknowledged yet.
///
/// The broker gets progress reports until the value is dropped. A message that is dropped without
/// an acknowledgment is redelivered.
pub(super) struct UnackedMessage {
    message: Arc<Message>,
    latest: Latest,
    sequence: u64,
    in_progress: InProgress,
    progress: AbortHandle,
}

impl InProgress {
    /// `tasks` counts the failures of progress reports.
    pub(super) fn new(tasks: TaskFailures) -> Self {
        Self {
            messages: Arc::default(),
            tasks,
        }
    }

    /// Starts tracking a message.
    ///
    /// Returns `None` if this process is working on it already: the broker redelivers a message if
    /// a progress report was lost, or its consumer was created again. The acknowledgment then
    /// refers to this delivery.
    pub(super) fn track(&self, message: Message) -> Option<UnackedMessage> {
        let sequence = message.info().ok()?.stream_sequence;
        let message = Arc::new(message);
        let latest = match self.all().entry(sequence) {
            Entry::Occupied(known) => {
                *known.get().lock() = message;
                return None;
            }
            Entry::Vacant(new) => {
                let latest = Arc::new(Mutex::new(Arc::clone(&message)));
                Arc::clone(new.insert(latest))
            }
        };
        let reported = Arc::clone(&latest);
        let tasks = self.tasks.clone();
        let progress = tokio::spawn(async move {
            tasks
                .until_ok("progress reports", || report_progress(&reported))
                .await;
        });
        Some(UnackedMessage {
            message,
            latest,
            sequence,
            in_progress: self.clone(),
            progress: progress.abort_handle(),
        })
    }

    fn all(&self) -> MutexGuard<'_, HashMap<u64, Latest>> {
        self.messages.lock()
    }
}

/// Tells the broker that a message is being worked on, until dropped.
async fn report_progress(latest: &Latest) -> Result<(), BoxError> {
    loop {
        tokio::time::sleep(PROGRESS).await;
        let message = Arc::clone(&latest.lock());
        if let Err(error) = message.ack_with(AckKind::Progress).await {
            tracing::debug!("progress report failed: {error}");
        }
    }
}

impl UnackedMessage {
    pub(super) fn message(&self) -> &Message {
        &self.message
    }

    /// Returns the delivery that acknowledgments refer to.
    pub(super) fn latest(&self) -> Arc<Message> {
        Arc::clone(&self.latest.lock())
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
        if let Err(error) = self.latest().ack().await {
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
