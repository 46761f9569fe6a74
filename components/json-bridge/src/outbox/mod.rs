//! The durable outbox: undelivered messages for webhooks and stanzas for the server, in SQLite.
//!
//! A single thread writes. Operations that arrive during a commit are batched into the next
//! transaction, so that one disk flush serves many messages. With `synchronous = FULL`, committed
//! entries survive a power failure.

mod admin;
mod schema;
mod store;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use campanile::error::BoxError;
use campanile_storage::Workers;
use campanile_storage::sqlite::DatabaseFile;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;
use tokio::sync::oneshot;

pub use self::admin::{Admin, Undelivered};
pub(crate) use self::store::PAGE_BYTES;
use self::writer::{Op, Writer};
use crate::labels::Labels;
use crate::metrics::Metrics;
use crate::quota::Permit;

/// The direction of an entry. The values are stored in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the webhook of a bot.
    ToWebhook = 0,
    /// To the server, for an API client or a webhook response.
    ToServer = 1,
}

/// An undelivered stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The ascending sequence number, assigned by the store.
    pub(crate) seq: i64,
    pub(crate) direction: Direction,
    /// The `webhook-id`, or the id of the stanza.
    pub(crate) id: String,
    pub(crate) bot: String,
    /// The bare JID of the remote user, within whose lane messages stay in order.
    pub(crate) peer: String,
    pub(crate) xml: String,
    /// The time of acceptance, in milliseconds since 1970.
    pub(crate) received: i64,
}

/// An entry for a webhook, with the body to post and its share of the quota.
#[derive(Debug)]
pub(crate) struct QueuedEvent {
    pub(crate) entry: Entry,
    pub(crate) body: Bytes,
    /// The labels of the event.
    pub(crate) labels: Labels,
    pub(crate) _permit: Permit,
    /// The acknowledgment to send on completion, if the message is stored outside the outbox.
    pub(crate) ack: Option<Arc<dyn ExternalAck>>,
}

/// A message that is stored outside the outbox until it is acknowledged.
#[async_trait]
pub(crate) trait ExternalAck: fmt::Debug + Send + Sync {
    /// Acknowledges the message: it is delivered, and the server has all resulting stanzas.
    async fn ack(&self);
}

/// An event for readers of `GET /v1/events`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) seq: i64,
    pub(crate) bot: String,
    pub(crate) json: String,
    pub(crate) labels: Labels,
}

/// The range of the events that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The sequence number of the oldest event, or `None` if none is kept.
    pub(crate) oldest: Option<i64>,
    /// The sequence number of the latest event, or the one before the first.
    pub(crate) latest: i64,
}

/// An idempotency key, and a digest of the request that used it.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) key: String,
    pub(crate) digest: String,
}

/// The result that is stored with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// The id of the stanza.
    pub(crate) id: String,
    pub(crate) digest: String,
    /// The reason why the stanza was not sent, if it was refused or given up.
    pub(crate) refused: Option<String>,
}

/// The result of accepting a stanza from an API client.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// The stanza is stored.
    New,
    /// The key was used before for the same request.
    Before(Box<Remembered>),
    /// The key was used before for a different request.
    Conflict,
}

/// A handle to the durable outbox. Cloning is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    writer: Arc<Writer>,
    /// A second connection, for reading concurrently with the writer.
    reader: Arc<Mutex<Connection>>,
    /// Readers of events wait for its thread, rather than on a thread each.
    reads: Arc<Workers>,
    _file: DatabaseFile,
}

/// An error: the outbox cannot be written because its thread has stopped or the disk has failed.
#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the outbox cannot be written; see the log")
    }
}

impl std::error::Error for Broken {}

impl Outbox {
    /// Opens or creates the file.
    ///
    /// `committed` is called on the writer's thread with each message once it is on disk, in order.
    /// Checks that a file could be used, without changing it.
    ///
    /// # Errors
    /// If the file cannot be opened, or belongs to another program or a newer version.
    pub(crate) fn examine(path: &Path) -> Result<(), BoxError> {
        Ok(schema::examine(path)?)
    }

    pub(crate) fn open(
        path: &Path,
        events: i64,
        committed: impl Fn(QueuedEvent) + Send + 'static,
        metrics: Arc<Metrics>,
    ) -> Result<Self, BoxError> {
        let (reader, file) = schema::open(path)?;
        let writer = Writer::start(schema::open(path)?, events, Box::new(committed), metrics)?;
        Ok(Self {
            writer: Arc::new(writer),
            reader: Arc::new(Mutex::new(reader)),
            reads: Arc::new(Workers::new("events", 1)),
            _file: file,
        })
    }

    /// Stores a message. The receiver resolves once it is on disk, and fails if it cannot be
    /// stored.
    pub(crate) fn put(&self, queued: QueuedEvent) -> oneshot::Receiver<()> {
        let (stored, receiver) = oneshot::channel();
        self.writer.send(Op::Put {
            queued: Box::new(queued),
            stored,
        });
        receiver
    }

    /// Stores an event that is not delivered to a webhook. The store assigns its sequence number.
    pub(crate) fn event(&self, event: Event) -> oneshot::Receiver<()> {
        let (stored, receiver) = oneshot::channel();
        self.writer.send(Op::Event {
            event: Box::new(event),
            stored,
        });
        receiver
    }

    /// Completes an entry, or turns it into a dead letter if `dead` has a reason, and stores the
    /// resulting stanzas in the same transaction.
    ///
    /// The receiver resolves to the sequence numbers of these stanzas.
    pub(crate) fn complete(
        &self,
        seq: i64,
        dead: Option<&str>,
        sends: Vec<Entry>,
    ) -> oneshot::Receiver<Vec<i64>> {
        let (stored, receiver) = oneshot::channel();
        self.writer.push(Op::Complete {
            seq,
            dead: dead.map(str::to_owned),
            sends,
            stored,
        });
        receiver
    }

    /// Stores a stanza from an API client, at most once per key. If it is new, `start` is called
    /// once it is on disk, also if the returned future was dropped before.
    pub(crate) async fn accept(
        &self,
        entry: Entry,
        key: Option<Key>,
        start: Box<dyn FnOnce(Entry) + Send>,
    ) -> Result<Accepted, Broken> {
        let (stored, receiver) = oneshot::channel();
        self.writer.send(Op::Accept {
            entry: Box::new(entry),
            key,
            start,
            stored,
        });
        receiver.await.map_err(|_| Broken)
    }

    /// Removes a delivered entry. Not awaited: if the write is lost, the entry is delivered once
    /// more, with the same id.
    pub(crate) fn done(&self, seq: i64) {
        self.writer.push(Op::Done(seq));
    }

    /// Stores a failed attempt, for operators. `next` is the time of the next attempt, in
    /// milliseconds since 1970.
    pub(crate) fn attempted(&self, seq: i64, why: &str, next: Option<i64>) {
        // If the queue is full, only the figures shown to operators are behind.
        self.writer.send(Op::Attempted {
            seq,
            why: why.to_owned(),
            next,
        });
    }

    /// Removes an entry that cannot be sent, and stores the reason with its idempotency key.
    pub(crate) fn refused(&self, seq: i64, why: &str) {
        self.writer.push(Op::Refused(seq, why.to_owned()));
    }

    /// Turns an entry into a dead letter, which stays for `campanile outbox`.
    pub(crate) fn dead(&self, seq: i64, why: &str) {
        self.writer.push(Op::Dead(seq, why.to_owned()));
    }

    /// Stores a dead letter for a message that was stored outside the outbox.
    pub(crate) fn dead_letter(&self, entry: Entry, why: &str) -> oneshot::Receiver<()> {
        let (stored, receiver) = oneshot::channel();
        self.writer.push(Op::DeadLetter {
            entry: Box::new(entry),
            why: why.to_owned(),
            stored,
        });
        receiver
    }

    /// Returns a page of the waiting entries after `after`.
    pub(crate) fn waiting(&self, after: i64) -> Result<Vec<Entry>, BoxError> {
        Ok(store::waiting(&self.lock(), after)?)
    }

    /// Returns a page of the dead letters that an operator has replayed, and marks them as waiting.
    pub(crate) fn replayed(&self) -> Result<Vec<Entry>, BoxError> {
        let entries = store::replayed(&self.lock())?;
        for entry in &entries {
            self.writer.push(Op::Waiting(entry.seq));
        }
        Ok(entries)
    }

    /// Returns at most `most` events of a bot after a cursor, and the range of events that are
    /// kept.
    pub(crate) async fn events(
        &self,
        bot: &str,
        after: i64,
        most: usize,
    ) -> Result<(Vec<Event>, Kept), BoxError> {
        let turn = self.reads.turn().await;
        let reader = Arc::clone(&self.reader);
        let bot = bot.to_owned();
        let read = move || {
            let connection = reader.lock();
            // In one transaction: an event written between two reads would be counted as kept but
            // not be on the page, and a reader that is sent to the end by a gap would miss it.
            let snapshot = connection.unchecked_transaction()?;
            let events = store::events(&snapshot, &bot, after, most)?;
            let oldest = store::oldest_event(&snapshot)?;
            let latest = store::latest_event(&snapshot)?;
            Ok((events, Kept { oldest, latest }))
        };
        turn.run(read).await?
    }

    /// Returns the sequence number of the latest event.
    pub(crate) fn latest_event(&self) -> Result<i64, BoxError> {
        Ok(store::latest_event(&self.lock())?)
    }

    /// Returns a receiver of the latest event's sequence number.
    pub(crate) fn watch_events(&self) -> tokio::sync::watch::Receiver<i64> {
        self.writer.events()
    }

    /// Waits until all earlier operations are on disk.
    pub(crate) async fn flush(&self) {
        let (done, receiver) = oneshot::channel();
        self.writer.send(Op::Flush(done));
        // An error means that the writer has stopped and there is nothing to flush.
        let _ = receiver.await;
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn page_and_range_of_events_are_of_one_moment() {
        let name = format!("campanile-outbox-moment-{}.db", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Only the latest event is kept, so the page, the oldest and the latest are one event.
        let outbox = Outbox::open(&path, 1, |_| {}, Arc::default()).unwrap();
        let event = Event {
            seq: 0,
            bot: "bot".to_owned(),
            json: "{}".to_owned(),
            labels: Labels::default(),
        };
        outbox.event(event.clone()).await.unwrap();
        let writer = outbox.clone();
        let writing = tokio::spawn(async move {
            loop {
                writer.event(event.clone()).await.unwrap();
            }
        });
        for _ in 0..3000 {
            let (page, kept) = outbox.events("*", 0, 10).await.unwrap();
            let seqs: Vec<_> = page.iter().map(|event| event.seq).collect();
            assert_eq!(seqs, [kept.latest]);
            assert_eq!(kept.oldest, Some(kept.latest));
        }
        writing.abort();
        drop(outbox);
        for suffix in ["", "-wal", "-shm"] {
            // SQLite may have removed the other two.
            let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
        }
    }
}
