//! Publishing to the stream for bots, in order, with an acknowledgment for each message.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use campanile::error::BoxError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::metrics::Metrics;

/// Maximum size of messages that wait for an acknowledgment, in KiB.
const MAX_UNACKED_KIB: usize = 64 * 1024;
/// Maximum number of stanzas that wait to be published.
const WAIT: usize = 4096;
/// Timeout for the acknowledgment, after which the sender gets `resource-constraint`.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// Publishes stanzas one after the other.
pub(super) struct Publisher {
    publications: mpsc::Sender<Publication>,
    permits: Arc<Semaphore>,
}

struct Publication {
    subject: String,
    json: String,
    stored: oneshot::Sender<()>,
    permit: OwnedSemaphorePermit,
}

impl Publisher {
    /// Returns a publisher and the future that does the publishing.
    pub(super) fn new(
        jetstream: Context,
        metrics: Arc<Metrics>,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (publications, mut receiver) = mpsc::channel::<Publication>(WAIT);
        let publishing = async move {
            while let Some(publication) = receiver.recv().await {
                let publishing = publish(&jetstream, &metrics, publication);
                // After a panic, the sender gets an error, because `stored` is dropped.
                metrics.tasks.catch("publication", publishing).await;
            }
        };
        (
            Self {
                publications,
                permits: Arc::new(Semaphore::new(MAX_UNACKED_KIB)),
            },
            publishing,
        )
    }

    /// Queues a stanza. The receiver resolves once the broker has acknowledged it, and fails if it
    /// has not.
    ///
    /// Returns `None` if too many bytes or stanzas are waiting.
    pub(super) fn publish(&self, subject: String, json: String) -> Option<oneshot::Receiver<()>> {
        let size = u32::try_from(json.len() / 1024 + 1).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.permits)
            .try_acquire_many_owned(size)
            .ok()?;
        let (stored, receiver) = oneshot::channel();
        self.publications
            .try_send(Publication {
                subject,
                json,
                stored,
                permit,
            })
            .ok()?;
        Some(receiver)
    }
}

/// Publishes a stanza, and spawns a task that waits for its acknowledgment.
async fn publish(jetstream: &Context, metrics: &Arc<Metrics>, publication: Publication) {
    let Publication {
        subject,
        json,
        stored,
        permit,
    } = publication;
    let mut headers = HeaderMap::new();
    headers.insert(
        "Nats-Msg-Id",
        format!("msg_{}", crate::id::fresh()).as_str(),
    );
    headers.insert("Content-Type", "application/json");
    let written = timeout(
        ACK_TIMEOUT,
        jetstream.publish_with_headers(subject.clone(), headers, json.into()),
    )
    .await;
    let pending_ack = match written
        .map_err(BoxError::from)
        .and_then(|written| Ok(written?))
    {
        Ok(pending_ack) => pending_ack,
        Err(error) => return tracing::warn!(subject, "not published: {error}"),
    };
    let acknowledged = async move {
        match timeout(ACK_TIMEOUT, async { pending_ack.await }).await {
            // The receiver may have been dropped.
            Ok(Ok(_)) => drop(stored.send(())),
            Ok(Err(error)) => tracing::warn!(subject, "not published: {error}"),
            Err(_) => tracing::warn!(subject, "not acknowledged by the broker in time"),
        }
        drop(permit);
    };
    let metrics = Arc::clone(metrics);
    tokio::spawn(async move { metrics.tasks.catch("acknowledgment", acknowledged).await });
}
