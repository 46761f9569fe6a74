//! The writer thread of the outbox.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use campanile::error::BoxError;
use campanile_storage::FailureLog;
use campanile_storage::sqlite::DatabaseFile;
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::store::{self, DEAD, WAITING};
use super::{Accepted, Entry, Event, Key, QueuedEvent};
use crate::clock::now;
use crate::labels::Labels;
use crate::metrics::Metrics;

/// Maximum number of operations that wait for the thread.
const WAIT: usize = 32_768;
/// Maximum number of operations per transaction.
const BATCH: usize = 2048;

pub(super) enum Op {
    /// Stores a message for a webhook; its body is also the event.
    Put {
        queued: Box<QueuedEvent>,
        stored: oneshot::Sender<()>,
    },
    /// Stores an event for event readers only.
    Event {
        event: Box<Event>,
        stored: oneshot::Sender<()>,
    },
    /// Removes an entry or turns it into a dead letter, and stores the resulting stanzas.
    Complete {
        seq: i64,
        dead: Option<String>,
        sends: Vec<Entry>,
        stored: oneshot::Sender<Vec<i64>>,
    },
    /// Stores a stanza for the server, at most once per idempotency key.
    Accept {
        entry: Box<Entry>,
        key: Option<Key>,
        /// Starts the sending. Called on the writer's thread, because the client may disconnect,
        /// and its task with it, between the commit and the first attempt.
        start: Box<dyn FnOnce(Entry) + Send>,
        stored: oneshot::Sender<Accepted>,
    },
    /// Stores a dead letter for a message that was stored elsewhere.
    DeadLetter {
        entry: Box<Entry>,
        why: String,
        stored: oneshot::Sender<()>,
    },
    Done(i64),
    Attempted {
        seq: i64,
        why: String,
        next: Option<i64>,
    },
    Dead(i64, String),
    Refused(i64, String),
    Waiting(i64),
    Flush(oneshot::Sender<()>),
}

/// A notification that is sent once the transaction is on disk.
enum Notify {
    Queued(oneshot::Sender<()>, Box<QueuedEvent>),
    Recorded(oneshot::Sender<()>),
    Completed(oneshot::Sender<Vec<i64>>, Vec<i64>),
    New {
        entry: Box<Entry>,
        start: Box<dyn FnOnce(Entry) + Send>,
        stored: oneshot::Sender<Accepted>,
    },
    Accepted(oneshot::Sender<Accepted>, Accepted),
    Flushed(oneshot::Sender<()>),
}

/// The outcome of storing a stanza from a client of the API.
enum Stored {
    New(Box<Entry>),
    /// Nothing was stored, because the idempotency key was used before.
    Before(Accepted),
}

#[derive(Debug)]
pub(super) struct Writer {
    ops: SyncSender<Op>,
    events: watch::Receiver<i64>,
}

impl Writer {
    pub(super) fn start(
        (connection, file): (Connection, DatabaseFile),
        keep: i64,
        committed: Box<dyn Fn(QueuedEvent) + Send>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, BoxError> {
        let (ops, receiver) = sync_channel(WAIT);
        let (tell, events) = watch::channel(0);
        let thread = Thread {
            connection,
            file,
            keep,
            committed,
            metrics,
            tell,
        };
        std::thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || thread.run(&receiver))?;
        Ok(Self { ops, events })
    }

    /// Queues an operation whose result is awaited. If the queue is full, the operation is dropped
    /// and its receiver fails.
    pub(super) fn send(&self, op: Op) {
        match self.ops.try_send(op) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::warn!("outbox queue filled up, the disk is too slow; operation rejected");
            }
            Err(TrySendError::Disconnected(_)) => tracing::error!("outbox writer stopped"),
        }
    }

    /// Queues an operation that must not be lost, blocking while the queue is full.
    pub(super) fn push(&self, op: Op) {
        // The thread waits only for the disk, so blocking is short, and it happens only while
        // 32,768 operations are waiting.
        if self.ops.send(op).is_err() {
            tracing::error!("outbox writer stopped");
        }
    }

    pub(super) fn events(&self) -> watch::Receiver<i64> {
        self.events.clone()
    }
}

struct Thread {
    connection: Connection,
    file: DatabaseFile,
    keep: i64,
    committed: Box<dyn Fn(QueuedEvent) + Send>,
    metrics: Arc<Metrics>,
    tell: watch::Sender<i64>,
}

impl Thread {
    fn run(self, ops: &Receiver<Op>) {
        let mut failures = FailureLog::default();
        let file = self.connection.path().unwrap_or_default().to_owned();
        while let Ok(first) = ops.recv() {
            let more = std::iter::from_fn(|| ops.try_recv().ok()).take(BATCH - 1);
            let batch: Vec<Op> = std::iter::once(first).chain(more).collect();
            // If a batch fails, its senders are dropped, and with them every receiver fails. A
            // panic also rolls the transaction back.
            let rejected = batch.len() as u64;
            let tasks = &self.metrics.tasks;
            match tasks.catch_blocking("outbox writer", || self.commit(batch)) {
                Some(Ok(())) => {
                    if let Some(rejected) = failures.succeeded() {
                        tracing::info!(file, rejected, "outbox writes resumed");
                    }
                }
                Some(Err(error)) => {
                    let error = error.to_string();
                    if let Some(rejected) = failures.failed(&error, rejected) {
                        tracing::error!(file, rejected, error, "outbox write failed");
                    }
                }
                None => {}
            }
        }
    }

    fn commit(&self, batch: Vec<Op>) -> Result<(), BoxError> {
        self.file.check()?;
        let transaction = self.connection.unchecked_transaction()?;
        let mut after = Vec::with_capacity(batch.len());
        let mut event = None;
        for op in batch {
            after.extend(self.apply(op, &mut event)?);
        }
        if event.is_some() {
            store::trim_events(&self.connection, self.keep)?;
        }
        transaction.commit()?;
        // Entries in a file that is gone are lost, so nothing is confirmed.
        self.file.check()?;
        for notify in after {
            self.notify(notify);
        }
        if let Some(seq) = event {
            self.tell.send_replace(seq);
        }
        Ok(())
    }

    fn apply(&self, op: Op, latest: &mut Option<i64>) -> rusqlite::Result<Option<Notify>> {
        let connection = &self.connection;
        Ok(match op {
            Op::Put { mut queued, stored } => {
                queued.entry.seq = store::put(connection, &queued.entry)?;
                let json = String::from_utf8_lossy(&queued.body);
                self.event(&queued.entry.bot, &json, &queued.labels, latest)?;
                Some(Notify::Queued(stored, queued))
            }
            Op::Event { event, stored } => {
                self.event(&event.bot, &event.json, &event.labels, latest)?;
                Some(Notify::Recorded(stored))
            }
            Op::Complete {
                seq,
                dead,
                sends,
                stored,
            } => {
                match dead {
                    Some(why) => store::state(connection, seq, DEAD, Some(&why))?,
                    None => store::done(connection, seq)?,
                }
                let seqs = sends
                    .iter()
                    .map(|entry| store::put(connection, entry))
                    .collect::<Result<_, _>>()?;
                Some(Notify::Completed(stored, seqs))
            }
            Op::Accept {
                entry,
                key,
                start,
                stored,
            } => Some(match self.accept(entry, key)? {
                Stored::New(entry) => Notify::New {
                    entry,
                    start,
                    stored,
                },
                Stored::Before(accepted) => Notify::Accepted(stored, accepted),
            }),
            Op::DeadLetter { entry, why, stored } => {
                let seq = store::put(connection, &entry)?;
                store::state(connection, seq, DEAD, Some(&why))?;
                Some(Notify::Recorded(stored))
            }
            Op::Done(seq) => store::done(connection, seq).map(|()| None)?,
            Op::Attempted { seq, why, next } => {
                store::attempted(connection, seq, &why, next).map(|()| None)?
            }
            Op::Dead(seq, why) => {
                store::refused(connection, seq, Some(&why))?;
                store::state(connection, seq, DEAD, Some(&why)).map(|()| None)?
            }
            Op::Refused(seq, why) => {
                store::refused(connection, seq, Some(&why))?;
                store::done(connection, seq).map(|()| None)?
            }
            Op::Waiting(seq) => {
                store::refused(connection, seq, None)?;
                store::state(connection, seq, WAITING, None).map(|()| None)?
            }
            Op::Flush(done) => Some(Notify::Flushed(done)),
        })
    }

    fn event(
        &self,
        bot: &str,
        json: &str,
        labels: &Labels,
        latest: &mut Option<i64>,
    ) -> rusqlite::Result<()> {
        if self.keep > 0 {
            *latest = Some(store::put_event(&self.connection, bot, json, labels)?);
        }
        Ok(())
    }

    /// Stores key and entry in the same transaction, so that every known key has its stanza.
    fn accept(&self, mut entry: Box<Entry>, key: Option<Key>) -> rusqlite::Result<Stored> {
        let Some(key) = key else {
            entry.seq = store::put(&self.connection, &entry)?;
            return Ok(Stored::New(entry));
        };
        if let Some(before) = store::remembered(&self.connection, &key.key, now())? {
            return Ok(Stored::Before(if before.digest == key.digest {
                Accepted::Before(Box::new(before))
            } else {
                Accepted::Conflict
            }));
        }
        entry.seq = store::put(&self.connection, &entry)?;
        store::remember(&self.connection, &key, &entry, now())?;
        Ok(Stored::New(entry))
    }

    /// Sends a notification. Receivers that were dropped are ignored.
    fn notify(&self, notify: Notify) {
        match notify {
            Notify::Queued(stored, queued) => {
                (self.committed)(*queued);
                let _ = stored.send(());
            }
            Notify::Recorded(stored) => drop(stored.send(())),
            Notify::Completed(stored, seqs) => drop(stored.send(seqs)),
            Notify::New {
                entry,
                start,
                stored,
            } => {
                start(*entry);
                drop(stored.send(Accepted::New));
            }
            Notify::Accepted(stored, accepted) => drop(stored.send(accepted)),
            Notify::Flushed(done) => drop(done.send(())),
        }
    }
}
