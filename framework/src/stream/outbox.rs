//! What waits for the socket, in whole stanzas, so that a broken link costs none of them.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};

use crate::client::{Entry, Note, Pending, Shared};
use crate::stanza::{Stanza, WriteError};
use crate::stats::Counters;

/// Serialised stanzas on their way to the socket. It outlives connections.
#[derive(Debug)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// How much of `bytes` the socket has taken.
    sent: usize,
    /// Where each stanza in `bytes` ends, counted from the first byte of this stream.
    marks: VecDeque<Mark>,
    /// Position of `bytes[0]` in the stream.
    base: u64,
    /// Where the stanza at the front of `marks` begins.
    front: u64,
    /// The present, as of the last [`Outbox::tick`]: precise enough for the age of an answer.
    now: Instant,
}

#[derive(Debug)]
struct Mark {
    end: u64,
    since: Instant,
    note: Note,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), sent: 0, marks: VecDeque::new(), base: 0, front: 0, now: Instant::now() }
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        self.now = now;
    }

    /// The present, as far as this knows.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// What is added meanwhile counts as old as it is, and not as added now.
    pub(crate) fn dated<T>(&mut self, since: Instant, add: impl FnOnce(&mut Self) -> T) -> T {
        let now = std::mem::replace(&mut self.now, since);
        let added = add(self);
        self.now = now;
        added
    }

    /// Bytes that wait for the socket.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Adds an answer: it always fits, since what is in flight is bounded.
    pub(crate) fn answer(&mut self, shared: &Shared, mut stanza: Stanza) -> Result<(), WriteError> {
        shared.complete(&mut stanza)?;
        shared.append(&stanza, &mut self.bytes)?;
        self.mark(Note::Answer);
        Ok(())
    }

    /// Adds what a client has queued.
    pub(crate) fn entry(&mut self, entry: Entry) {
        self.bytes.extend_from_slice(&entry.bytes);
        self.mark(entry.note);
    }

    /// Adds bytes that belong to this stream alone.
    pub(crate) fn own(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.mark(Note::Stream);
    }

    /// Position behind everything that has been added so far.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// Position up to which the socket has taken everything.
    pub(crate) fn position(&self) -> u64 {
        self.base + self.sent as u64
    }

    /// The socket has taken `count` more bytes: whoever waits to hear of it is told.
    pub(crate) fn advance(&mut self, count: usize, counters: &Counters) {
        self.sent += count;
        let position = self.position();
        let mut written = 0;
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.end <= position) {
            self.front = mark.end;
            written += u64::from(!matches!(mark.note, Note::Stream));
            if let Note::Sender { written, .. } = mark.note {
                // The sender may have gone away; its stanza was sent all the same.
                let _ = written.send(());
            }
        }
        counters.sent.add(written);
        self.compact();
    }

    /// Prepares for the next stream: a stanza that was written in part is written again whole, requests that nobody
    /// waits for any more and answers that are too old are left out.
    pub(crate) fn restart(&mut self, pending: &Pending, answer_age: Duration, counters: &Counters) {
        let (bytes, marks) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.marks));
        let (base, mut start) = (self.base, self.front);
        (self.sent, self.base, self.front) = (0, 0, 0);
        let now = Instant::now();
        for mark in marks {
            let stanza = offset(start, base)..offset(mark.end, base);
            start = mark.end;
            let keep = match &mark.note {
                Note::Sender { .. } | Note::Request { .. } => mark.note.is_wanted(pending),
                Note::Answer => {
                    let fresh = now.duration_since(mark.since) < answer_age;
                    counters.stale.add(u64::from(!fresh));
                    fresh
                }
                Note::Stream => false,
            };
            if keep {
                self.bytes.extend_from_slice(&bytes[stanza]);
                let end = self.bytes.len() as u64;
                self.marks.push_back(Mark { end, ..mark });
            }
        }
    }

    fn mark(&mut self, note: Note) {
        let end = self.end();

        self.marks.push_back(Mark { end, since: self.now, note });
    }

    fn compact(&mut self) {
        const KEEP: usize = 256 * 1024;
        if self.sent == self.bytes.len() {
            self.base += self.sent as u64;
            self.sent = 0;
            self.bytes.clear();
            // A burst must not leave its memory behind.
            self.bytes.shrink_to(KEEP);
            self.marks.shrink_to(KEEP / 64);
        } else {
            // Not what was sent of the stanza at the front: on the next stream that is sent again, whole.
            let done = offset(self.front, self.base);
            if done >= KEEP {
                self.base += done as u64;
                self.bytes.drain(..done);
                self.sent -= done;
            }
        }
    }
}

fn offset(position: u64, base: u64) -> usize {
    // Both lie within the buffer, whose length is a usize.
    usize::try_from(position - base).unwrap_or(0)
}
