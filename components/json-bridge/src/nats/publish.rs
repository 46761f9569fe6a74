//! Into the stream for bots, in order, each acknowledged by the broker.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use campanile::error::BoxError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

/// Kibibytes that may wait for the broker's word.
const MAX_UNACKED_KIB: usize = 64 * 1024;
/// Stanzas that may wait to be written.
const WAIT: usize = 4096;
/// The broker has its say by then, or the sender is told to try again.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// Publishes one stanza after the other.
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
    /// The future publishes what is handed over.
    pub(super) fn new(jetstream: Context) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (publications, mut receiver) = mpsc::channel::<Publication>(WAIT);
        let publishing = async move {
            while let Some(publication) = receiver.recv().await {
                publish(&jetstream, publication).await;
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

    /// The receiver says when the broker has it; it fails when that is not known. `None`: too much
    /// waits.
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

/// Written here, one after the other; the broker's word is waited for elsewhere.
async fn publish(jetstream: &Context, publication: Publication) {
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
    let word = match written
        .map_err(BoxError::from)
        .and_then(|written| Ok(written?))
    {
        Ok(word) => word,
        Err(error) => return tracing::warn!(subject, "not published: {error}"),
    };
    tokio::spawn(async move {
        match timeout(ACK_TIMEOUT, async { word.await }).await {
            // Whoever waited may have gone away.
            Ok(Ok(_)) => drop(stored.send(())),
            Ok(Err(error)) => tracing::warn!(subject, "not published: {error}"),
            Err(_) => tracing::warn!(subject, "the broker has not said that it has a stanza"),
        }
        drop(permit);
    });
}
