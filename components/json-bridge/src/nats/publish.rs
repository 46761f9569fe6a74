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
const KIBIBYTES: usize = 64 * 1024;
/// Stanzas that may wait to be written.
const WAIT: usize = 4096;
/// The broker has its say by then, or the sender is told to try again.
const WORD: Duration = Duration::from_secs(10);

/// Publishes one stanza after the other.
pub(super) struct Publisher {
    letters: mpsc::Sender<Letter>,
    room: Arc<Semaphore>,
}

struct Letter {
    subject: String,
    json: String,
    stored: oneshot::Sender<()>,
    permit: OwnedSemaphorePermit,
}

impl Publisher {
    /// The future publishes what is handed over.
    pub(super) fn new(jetstream: Context) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (letters, mut receiver) = mpsc::channel::<Letter>(WAIT);
        let publishing = async move {
            while let Some(letter) = receiver.recv().await {
                publish(&jetstream, letter).await;
            }
        };
        (
            Self {
                letters,
                room: Arc::new(Semaphore::new(KIBIBYTES)),
            },
            publishing,
        )
    }

    /// The receiver says when the broker has it; it fails when that is not known. `None`: too much
    /// waits.
    pub(super) fn publish(&self, subject: String, json: String) -> Option<oneshot::Receiver<()>> {
        let size = u32::try_from(json.len() / 1024 + 1).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.room).try_acquire_many_owned(size).ok()?;
        let (stored, receiver) = oneshot::channel();
        self.letters
            .try_send(Letter {
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
async fn publish(jetstream: &Context, letter: Letter) {
    let Letter {
        subject,
        json,
        stored,
        permit,
    } = letter;
    let mut headers = HeaderMap::new();
    headers.insert(
        "Nats-Msg-Id",
        format!("msg_{}", crate::id::fresh()).as_str(),
    );
    headers.insert("Content-Type", "application/json");
    let written = timeout(
        WORD,
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
        match timeout(WORD, async { word.await }).await {
            // Whoever waited may have gone away.
            Ok(Ok(_)) => drop(stored.send(())),
            Ok(Err(error)) => tracing::warn!(subject, "not published: {error}"),
            Err(_) => tracing::warn!(subject, "the broker has not said that it has a stanza"),
        }
        drop(permit);
    });
}
