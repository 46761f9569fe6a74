//! What is owed to a webhook or to the server, on disk until it is done (SQLite).
//!
//! One thread writes. All that comes while it commits goes into the next transaction, so that one
//! flush of the disk serves many messages (`synchronous = FULL`: what was committed is still there
//! after the machine lost its power).

mod admin;
mod store;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use campanile::error::BoxError;
use rusqlite::Connection;
use tokio::sync::oneshot;

pub use self::admin::{Admin, Undelivered};
pub(crate) use self::store::PAGE_BYTES;
use self::writer::{Op, Writer};
use crate::quota::Permit;

/// Which way an entry goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the webhook of a bot.
    ToWebhook = 0,
    /// To the server, on behalf of a caller.
    ToServer = 1,
}

/// What is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Given by the store, rising.
    pub(crate) seq: i64,
    pub(crate) direction: Direction,
    /// The id of the webhook's message, or of the stanza.
    pub(crate) id: String,
    pub(crate) bot: String,
    /// The bare JID that messages are kept in order for.
    pub(crate) peer: String,
    pub(crate) xml: String,
    /// Milliseconds since 1970.
    pub(crate) received: i64,
}

/// An entry for a webhook, with what is posted and the room that it takes up.
#[derive(Debug)]
pub(crate) struct QueuedEvent {
    pub(crate) entry: Entry,
    pub(crate) body: Bytes,
    /// Namespaces of what the stanza holds, for readers of events.
    pub(crate) namespaces: String,
    pub(crate) _permit: Permit,
    /// Where it came from, when that is not the outbox.
    pub(crate) ack: Option<Arc<dyn ExternalAck>>,
}

/// A message that is kept elsewhere until it is done.
#[async_trait]
pub(crate) trait ExternalAck: fmt::Debug + Send + Sync {
    /// It is done, and all that it has sent is with the server.
    async fn ack(&self);
}

/// An event for those who read a stream of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) seq: i64,
    pub(crate) bot: String,
    pub(crate) json: String,
    /// Namespaces of what the stanza holds, with a space between them.
    pub(crate) namespaces: String,
}

/// A caller's key, and what it was used for.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) key: String,
    pub(crate) digest: String,
}

/// What became of something that a caller wants sent.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// It is on disk.
    New(Box<Entry>),
    /// It was there before, under this id.
    Before(String),
    /// The key was used for something else.
    Conflict,
}

/// The durable outbox. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    writer: Arc<Writer>,
    /// For reading, beside the writer.
    reader: Arc<Mutex<Connection>>,
}

/// The outbox cannot take anything: its thread has ended, or the disk failed.
#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the outbox cannot be written; see the log")
    }
}

impl std::error::Error for Broken {}

impl Outbox {
    /// Opens or makes the file. `committed` gets each parcel when it is on disk, in order, on the
    /// writer's thread.
    pub(crate) fn open(
        path: &Path,
        events: i64,
        committed: impl Fn(QueuedEvent) + Send + 'static,
    ) -> Result<Self, BoxError> {
        let reader = store::open(path)?;
        let writer = Writer::start(store::open(path)?, events, Box::new(committed))?;
        Ok(Self {
            writer: Arc::new(writer),
            reader: Arc::new(Mutex::new(reader)),
        })
    }

    /// Takes a message over; the receiver says when it is on disk. It fails when the outbox takes
    /// nothing now.
    pub(crate) fn put(&self, queued: QueuedEvent) -> oneshot::Receiver<()> {
        let (stored, receiver) = oneshot::channel();
        self.writer.send(Op::Put {
            queued: Box::new(queued),
            stored,
        });
        receiver
    }

    /// Takes an event over that no webhook is told of. Its number is given by the store.
    pub(crate) fn event(&self, event: Event) -> oneshot::Receiver<()> {
        let (stored, receiver) = oneshot::channel();
        self.writer.send(Op::Event {
            event: Box::new(event),
            stored,
        });
        receiver
    }

    /// An entry is done, or given up when it says why; what that sends is put in its place, in one
    /// step. The receiver is given the numbers of those.
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

    /// Takes over what a caller wants sent, once for each of its keys.
    pub(crate) async fn accept(&self, entry: Entry, key: Option<Key>) -> Result<Accepted, Broken> {
        let (stored, receiver) = oneshot::channel();
        self.writer.send(Op::Accept {
            entry: Box::new(entry),
            key,
            stored,
        });
        receiver.await.map_err(|_| Broken)
    }

    /// An entry is done. Not awaited: at worst it is delivered once more, with the same id.
    pub(crate) fn done(&self, seq: i64) {
        self.writer.push(Op::Done(seq));
    }

    /// An entry is given up; it stays for `campanile outbox`.
    pub(crate) fn dead(&self, seq: i64, why: &str) {
        self.writer.push(Op::Dead(seq, why.to_owned()));
    }

    /// Keeps for the operator what was given up and was kept elsewhere until then.
    pub(crate) fn dead_letter(&self, entry: Entry, why: &str) -> oneshot::Receiver<()> {
        let (stored, receiver) = oneshot::channel();
        self.writer.push(Op::DeadLetter {
            entry: Box::new(entry),
            why: why.to_owned(),
            stored,
        });
        receiver
    }

    /// All that waits, and what was asked to be tried again; those are waiting from now on.
    pub(crate) fn waiting(&self, after: i64) -> Result<Vec<Entry>, BoxError> {
        Ok(store::waiting(&self.lock(), after)?)
    }

    /// Entries that somebody wants tried again.
    pub(crate) fn replayed(&self) -> Result<Vec<Entry>, BoxError> {
        let entries = store::replayed(&self.lock())?;
        for entry in &entries {
            self.writer.push(Op::Waiting(entry.seq));
        }
        Ok(entries)
    }

    /// The events of a bot behind a cursor, at most `most`, and the oldest that is kept.
    pub(crate) fn events(
        &self,
        bot: &str,
        after: i64,
        most: usize,
    ) -> Result<(Vec<Event>, i64), BoxError> {
        let connection = self.lock();
        Ok((
            store::events(&connection, bot, after, most)?,
            store::oldest_event(&connection)?,
        ))
    }

    /// The latest event there is.
    pub(crate) fn latest_event(&self) -> Result<i64, BoxError> {
        Ok(store::latest_event(&self.lock())?)
    }

    /// Told with the number of the latest event whenever there are more.
    pub(crate) fn watch_events(&self) -> tokio::sync::watch::Receiver<i64> {
        self.writer.events()
    }

    /// Waits until all that was put before is on disk.
    pub(crate) async fn flush(&self) {
        let (done, receiver) = oneshot::channel();
        self.writer.send(Op::Flush(done));
        // An error means that there is no thread any more, and nothing to flush.
        let _ = receiver.await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.reader
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
