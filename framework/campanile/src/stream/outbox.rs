//! What waits for the socket, in whole stanzas, so that a broken link costs none of them.

use std::collections::VecDeque;
use std::task::Context;

use jid::Jid;
use tokio::time::{Duration, Instant};

use super::error::{LinkError, StreamError};
use super::stack::{Panicked, Passed, Passing, Stack};
use super::unconfirmed::{Parcel, Unconfirmed};
use crate::client::{Content, Entry, Note, Pending, Shared};
use crate::error::BoxError;
use crate::reply;
use crate::rescue;
use crate::stanza::{Stanza, WriteError};
use crate::stats::Counters;
use crate::throttle::Throttle;

/// So many streams in a row that break without progress are no chance any more.
const BARREN: u32 = 2;

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
    /// The outbound layers, when the component has any.
    stack: Option<Box<Stack>>,
    unconfirmed: Unconfirmed,
    /// The server may have ended the last stream over the stanza at the front.
    accused: bool,
    /// A ping of this stream has come back; and something was confirmed by one.
    proven: bool,
    progress: bool,
    /// Streams in a row that broke without a word, and without progress.
    barren: u32,
    /// Something stands between an answer and the socket: layers, or a trial.
    detour: bool,
    log: Throttle,
}

#[derive(Debug)]
struct Mark {
    end: u64,
    since: Instant,
    note: Note,
}

impl Outbox {
    pub(crate) fn new(stack: Option<Stack>) -> Self {
        Self {
            bytes: Vec::new(),
            sent: 0,
            marks: VecDeque::new(),
            base: 0,
            front: 0,
            now: Instant::now(),
            detour: stack.is_some(),
            stack: stack.map(Box::new),
            unconfirmed: Unconfirmed::default(),
            accused: false,
            proven: false,
            progress: false,
            barren: 0,
            log: Throttle::default(),
        }
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

    /// Bytes that wait for the socket, or for the outbound layers, or for the end of a trial.
    pub(crate) fn len(&self) -> usize {
        let waiting = self.bytes.len() - self.sent;
        if self.detour {
            waiting + self.aside()
        } else {
            waiting
        }
    }

    fn aside(&self) -> usize {
        self.stack.as_ref().map_or(0, |stack| stack.weight()) + self.unconfirmed.added()
    }

    /// Whether some stanzas have not been written yet, or are not known to have been taken.
    pub(crate) fn is_owed(&self) -> bool {
        let passing = self.stack.as_ref().is_some_and(|stack| !stack.is_empty());
        passing || !self.unconfirmed.is_empty() || self.unconfirmed.is_on_trial()
    }

    /// Whether something waits for the server to take it, or to be seen to work: a ping will tell.
    pub(crate) fn wants_proof(&self) -> bool {
        !self.unconfirmed.is_empty() || (self.unconfirmed.is_on_trial() && !self.proven)
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Adds an answer to a request: it always fits, since what is in flight is bounded.
    pub(crate) fn answer(
        &mut self,
        shared: &Shared,
        mut stanza: Stanza,
        request: &Stanza,
    ) -> Result<(), WriteError> {
        let start = self.bytes.len();
        shared.complete(&mut stanza)?;
        shared.append(&stanza, &mut self.bytes)?;
        if self.detour {
            let bytes = self.bytes.split_off(start);
            self.divert(stanza, bytes, request);
        } else {
            self.mark(Note::Answer);
        }
        Ok(())
    }

    fn divert(&mut self, stanza: Stanza, bytes: Vec<u8>, request: &Stanza) {
        let Some(stack) = &mut self.stack else {
            return self.add(bytes, Note::Answer);
        };
        let owed = stanza.kind.is_response() || reply::error_is_due(request);
        let request = owed.then(|| Box::new(request.clone_head()));
        stack.push(Passing {
            stanza,
            note: Note::Answer,
            since: self.now,
            request,
            weight: bytes.len(),
        });
    }

    /// Adds what a client has queued.
    pub(crate) fn entry(&mut self, entry: Entry) {
        match (entry.content, &mut self.stack) {
            (Content::Bytes(bytes), _) => self.add(bytes, entry.note),
            (Content::Stanza(stanza, weight), Some(stack)) => {
                let stanza = *stanza;
                let note = entry.note;
                stack.push(Passing {
                    stanza,
                    note,
                    since: self.now,
                    request: None,
                    weight,
                });
            }
            // Clients keep stanzas for layers only.
            (Content::Stanza(..), None) => {}
        }
    }

    /// Lets the outbound layers work. True when there is more to do at once.
    ///
    /// # Errors
    /// When the layers will never be ready again.
    pub(crate) fn pass(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        counters: &Counters,
    ) -> Result<bool, BoxError> {
        let Some(mut stack) = self.stack.take() else {
            return Ok(false);
        };
        // Without the stack, what is said instead of a refused answer goes straight to the socket.
        let more = stack.poll(cx, &shared.pending, |passed| {
            self.passed(passed, shared, counters)
        });
        self.stack = Some(stack);
        more
    }

    fn passed(&mut self, passed: Passed, shared: &Shared, counters: &Counters) {
        let Passed { result, passing } = passed;
        match result {
            Ok(bytes) if bytes.is_empty() => passing.note.done(),
            Ok(bytes) => self.dated(passing.since, |out| out.add(bytes, passing.note)),
            Err(error) => self.refused(passing, error, shared, counters),
        }
    }

    /// A layer has something against a stanza. An IQ request and the sender of a message are
    /// answered all the same.
    fn refused(&mut self, passing: Passing, error: BoxError, shared: &Shared, counters: &Counters) {
        if error.is::<Panicked>() {
            counters.panics.one();
        }
        if !matches!(passing.note, Note::Answer) {
            return passing.note.refuse(error, &shared.pending);
        }
        counters.unwritable.one();
        if self.log.allow() {
            let to = passing.stanza.to().map(Jid::as_str);
            let id = passing.stanza.id();
            let why = rescue::chain(&error);
            tracing::error!(
                ?to,
                ?id,
                ?why,
                "an outbound layer did not let an answer out"
            );
        }
        if let Some(request) = passing.request {
            let refusal = reply::refusal(&request, &rescue::rescue(&error).error);
            // Conditions and addresses that came in can always be written.
            let _ = self.answer(shared, refusal, &request);
        }
    }

    /// Gives up what has not passed the outbound layers: nothing may follow our closing tag.
    pub(crate) fn abandon(&mut self) {
        if let Some(stack) = &mut self.stack {
            stack.clear();
        }
        drop(self.unconfirmed.end_trial());
        self.detour = self.stack.is_some();
    }

    /// A ping to ourselves that ended at this position has come back.
    pub(crate) fn confirm(&mut self, position: u64, counters: &Counters) {
        self.proven |= position > 0;
        self.progress |= self.unconfirmed.confirm(position, counters);
    }

    /// The stream has broken, perhaps over something that we have sent.
    pub(crate) fn broke(&mut self, error: &LinkError, counters: &Counters) {
        match error {
            LinkError::Stream(error) if error.is_about_a_stanza() => {
                self.accuse(Some(error), counters)
            }
            LinkError::Io(_) | LinkError::Closed if self.unconfirmed.is_on_trial() => {
                self.accuse(None, counters)
            }
            // Both servers end like this when they stop; but what ends one stream after the other
            // may be in them.
            LinkError::Io(_) | LinkError::Closed if self.is_stuck() => {
                self.barren += 1;
                if self.barren >= BARREN {
                    self.accuse(None, counters);
                }
            }
            _ => self.barren = 0,
        }
    }

    /// Nothing was confirmed on this stream although something was written, or the very first
    /// stanza was cut off.
    fn is_stuck(&self) -> bool {
        let cut = self.front < self.position() && !self.proven;
        !self.progress && (self.unconfirmed.is_written() || cut)
    }

    fn accuse(&mut self, error: Option<&StreamError>, counters: &Counters) {
        self.barren = 0;
        let begun = self.front < self.position();
        let kept = self
            .marks
            .front()
            .is_some_and(|mark| matches!(mark.note, Note::Kept));
        self.unconfirmed.accuse(error, begun && kept, counters);
        self.accused = begun && !kept;
    }

    /// While there are suspects: the next stanza, once the one before is known to be innocent.
    pub(crate) fn proceed(&mut self, pending: &Pending) {
        // Only a stream that works can say anything about a stanza.
        if !self.unconfirmed.is_on_trial() || !self.proven {
            return;
        }
        while let Some(parcel) = self.unconfirmed.next(pending) {
            self.append(parcel);
        }
        self.detour = self.stack.is_some() || self.unconfirmed.is_on_trial();
    }

    /// Whether stanzas of clients have to wait until the suspects among them are known.
    pub(crate) fn is_on_trial(&self) -> bool {
        self.unconfirmed.is_on_trial()
    }

    /// Too much waits for the end of a trial.
    pub(crate) fn acquit(&mut self) {
        if self.unconfirmed.is_on_trial() {
            let waiting = self.unconfirmed.acquit();
            waiting.into_iter().for_each(|parcel| self.append(parcel));
            self.detour = self.stack.is_some();
        }
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
            match mark.note {
                Note::Kept => self.unconfirmed.wrote(),
                note => note.done(),
            }
        }
        counters.sent.add(written);
        self.compact();
    }

    /// Prepares for the next stream. What the server is not known to have taken is written again if
    /// that was asked for, and so, whole, is a stanza that was written in part. Requests that
    /// nobody waits for any more and answers that are too old are left out.
    pub(crate) fn restart(&mut self, pending: &Pending, answer_age: Duration, counters: &Counters) {
        let now = Instant::now();
        let is_fresh = |since: Instant| {
            let fresh = now.duration_since(since) < answer_age;
            counters.stale.add(u64::from(!fresh));
            fresh
        };
        if let Some(stack) = &mut self.stack {
            stack
                .retain(|passing| !matches!(passing.note, Note::Answer) || is_fresh(passing.since));
        }
        let (again, left) = self.left();
        let is_due = |parcel: &Parcel| match &parcel.note {
            Note::Answer => is_fresh(parcel.since),
            Note::Stream => false,
            note => note.is_wanted(pending),
        };
        let again = again.filter(is_due).inspect(|_| counters.resent.one());
        let parcels: VecDeque<_> = again.chain(left.into_iter().filter(is_due)).collect();
        if parcels.iter().any(|parcel| parcel.suspect) {
            self.unconfirmed.begin_trial(parcels);
            self.detour = true;
        } else {
            parcels.into_iter().for_each(|parcel| self.append(parcel));
        }
    }

    /// What the stream that is over leaves behind: what was written and is kept, and what was not
    /// written whole.
    fn left(&mut self) -> (impl Iterator<Item = Parcel> + use<>, Vec<Parcel>) {
        let bytes = std::mem::take(&mut self.bytes);
        let marks = std::mem::take(&mut self.marks);
        let base = self.base;
        let mut start = self.front;
        (self.sent, self.base, self.front) = (0, 0, 0);
        (self.proven, self.progress) = (false, false);
        let (again, mut kept) = self.unconfirmed.take();
        let mut accused = std::mem::take(&mut self.accused);
        let mut left = Vec::with_capacity(marks.len());
        for Mark { end, since, note } in marks {
            let stanza = &bytes[offset(start, base)..offset(end, base)];
            start = end;
            left.extend(match note {
                Note::Kept => kept.next(),
                note => {
                    let bytes = stanza.to_vec();
                    let suspect = std::mem::take(&mut accused);
                    Some(Parcel {
                        bytes,
                        note,
                        since,
                        suspect,
                        strikes: 0,
                    })
                }
            });
        }
        left.extend(self.unconfirmed.end_trial());
        self.detour = self.stack.is_some();
        (again, left)
    }

    /// Adds a stanza, unless it has to wait for the end of a trial.
    fn add(&mut self, bytes: Vec<u8>, note: Note) {
        let parcel = Parcel {
            bytes,
            note,
            since: self.now,
            suspect: false,
            strikes: 0,
        };
        if let Some(parcel) = self.unconfirmed.hold(parcel) {
            self.append(parcel);
        }
    }

    fn append(&mut self, parcel: Parcel) {
        self.bytes.extend_from_slice(&parcel.bytes);
        let end = self.end();
        let since = parcel.since;
        let note = if parcel.is_kept() {
            self.unconfirmed.keep(parcel, end);
            Note::Kept
        } else {
            parcel.note
        };
        self.marks.push_back(Mark { end, since, note });
    }

    fn mark(&mut self, note: Note) {
        let end = self.end();
        self.marks.push_back(Mark {
            end,
            since: self.now,
            note,
        });
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
            // Not what was sent of the stanza at the front: on the next stream that is sent again,
            // whole.
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
