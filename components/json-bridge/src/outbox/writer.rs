//! The one thread that writes.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use bytes::Bytes;
use campanile::error::BoxError;
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::store::{self, DEAD, WAITING};
use super::{Accepted, Entry, Key};
use crate::clock::now;

/// Operations that may wait for the thread.
const WAIT: usize = 32_768;
/// Most operations in one transaction.
const BATCH: usize = 2048;

pub(super) enum Op {
    /// For a webhook: the entry, and what is posted, which is the event as well.
    Put {
        entry: Box<Entry>,
        body: String,
        stored: oneshot::Sender<()>,
    },
    /// For readers of events alone.
    Event {
        bot: String,
        body: String,
        stored: oneshot::Sender<()>,
    },
    /// For the server, once for each key of a caller.
    Accept {
        entry: Box<Entry>,
        key: Option<Key>,
        stored: oneshot::Sender<Accepted>,
    },
    Done(i64),
    Dead(i64, String),
    Waiting(i64),
    Flush(oneshot::Sender<()>),
}

/// What is told to others once the transaction is on disk.
enum After {
    Stored(oneshot::Sender<()>, Box<Entry>, Bytes),
    Said(oneshot::Sender<()>),
    Accepted(oneshot::Sender<Accepted>, Accepted),
    Flushed(oneshot::Sender<()>),
}

#[derive(Debug)]
pub(super) struct Writer {
    ops: SyncSender<Op>,
    events: watch::Receiver<i64>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        keep: i64,
        committed: Box<dyn Fn(Entry, Bytes) + Send>,
    ) -> Result<Self, BoxError> {
        let (ops, receiver) = sync_channel(WAIT);
        let (tell, events) = watch::channel(0);
        let thread = Thread { connection, keep, committed, tell };
        std::thread::Builder::new().name("outbox".to_owned()).spawn(move || thread.run(&receiver))?;
        Ok(Self { ops, events })
    }

    /// Hands an operation over that somebody waits for; when there is no room it is dropped, and that one told.
    pub(super) fn send(&self, op: Op) {
        match self.ops.try_send(op) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => tracing::warn!("the disk is too slow: the outbox takes nothing for now"),
            Err(TrySendError::Disconnected(_)) => tracing::error!("the outbox has ended"),
        }
    }

    /// Hands an operation over that must not get lost: waits for room.
    pub(super) fn push(&self, op: Op) {
        // The thread waits for nobody but the disk, so this is short, and happens only when 32,768 others wait.
        if self.ops.send(op).is_err() {
            tracing::error!("the outbox has ended");
        }
    }

    pub(super) fn events(&self) -> watch::Receiver<i64> {
        self.events.clone()
    }
}

struct Thread {
    connection: Connection,
    keep: i64,
    committed: Box<dyn Fn(Entry, Bytes) + Send>,
    tell: watch::Sender<i64>,
}

impl Thread {
    fn run(self, ops: &Receiver<Op>) {
        while let Ok(first) = ops.recv() {
            let more = std::iter::from_fn(|| ops.try_recv().ok()).take(BATCH - 1);
            let batch: Vec<Op> = std::iter::once(first).chain(more).collect();
            // Whoever waits for a part of a failed batch is told by the drop of its sender.
            if let Err(error) = self.commit(batch) {
                tracing::error!("the outbox cannot be written: {error}");
            }
        }
    }

    fn commit(&self, batch: Vec<Op>) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        let (mut after, mut event) = (Vec::with_capacity(batch.len()), None);
        for op in batch {
            after.extend(self.apply(op, &mut event)?);
        }
        if event.is_some() {
            store::trim_events(&self.connection, self.keep)?;
        }
        transaction.commit()?;
        for told in after {
            self.told(told);
        }
        if let Some(seq) = event {
            self.tell.send_replace(seq);
        }
        Ok(())
    }

    fn apply(&self, op: Op, latest: &mut Option<i64>) -> rusqlite::Result<Option<After>> {
        let connection = &self.connection;
        Ok(match op {
            Op::Put { mut entry, body, stored } => {
                entry.seq = store::put(connection, &entry)?;
                self.event(&entry.bot, &body, latest)?;
                Some(After::Stored(stored, entry, body.into()))
            }
            Op::Event { bot, body, stored } => {
                self.event(&bot, &body, latest)?;
                Some(After::Said(stored))
            }
            Op::Accept { entry, key, stored } => Some(After::Accepted(stored, self.accept(*entry, key)?)),
            Op::Done(seq) => store::done(connection, seq).map(|()| None)?,
            Op::Dead(seq, why) => store::state(connection, seq, DEAD, Some(&why)).map(|()| None)?,
            Op::Waiting(seq) => store::state(connection, seq, WAITING, None).map(|()| None)?,
            Op::Flush(done) => Some(After::Flushed(done)),
        })
    }

    fn event(&self, bot: &str, body: &str, latest: &mut Option<i64>) -> rusqlite::Result<()> {
        if self.keep > 0 {
            *latest = Some(store::put_event(&self.connection, bot, body)?);
        }
        Ok(())
    }

    /// Key and entry in one transaction: a key that is known has its stanza.
    fn accept(&self, mut entry: Entry, key: Option<Key>) -> rusqlite::Result<Accepted> {
        if let Some(Key { key, digest }) = key {
            let before = store::idempotent(&self.connection, (&key, &entry.id, &digest), now())?;
            if let Some((id, used)) = before {
                return Ok(if used == digest { Accepted::Before(id) } else { Accepted::Conflict });
            }
        }
        entry.seq = store::put(&self.connection, &entry)?;
        Ok(Accepted::New(Box::new(entry)))
    }

    /// Whoever has gone away misses nothing.
    fn told(&self, after: After) {
        match after {
            After::Stored(stored, entry, body) => {
                (self.committed)(*entry, body);
                let _ = stored.send(());
            }
            After::Said(stored) => drop(stored.send(())),
            After::Accepted(stored, accepted) => drop(stored.send(accepted)),
            After::Flushed(done) => drop(done.send(())),
        }
    }
}
