//! What waits for the socket, in whole stanzas, so that a broken link costs none of them.

use std::collections::VecDeque;
use std::task::Context;

use jid::Jid;
use tokio::time::{Duration, Instant};

use super::outbound_layers::{InFlight, LayerResult, OutboundLayers, Panicked};
use super::unconfirmed::{EncodedStanza, Unconfirmed};
use crate::client::{Completion, Content, Entry, Pending, Shared};
use crate::error::BoxError;
use crate::error::{LinkError, StreamError};
use crate::metrics::Registry;
use crate::reply;
use crate::stanza::{Stanza, WriteError};
use crate::throttle::Throttle;

/// So many streams in a row that break without progress are no chance any more.
const MAX_FAILED_STREAMS: u32 = 2;

/// Serialised stanzas on their way to the socket. It outlives connections.
#[derive(Debug)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// How much of `bytes` the socket has taken.
    sent: usize,
    /// Where each stanza in `bytes` ends, counted from the first byte of this stream.
    boundaries: VecDeque<Boundary>,
    /// Position of `bytes[0]` in the stream.
    base: u64,
    /// Where the stanza at the front of `marks` begins.
    front: u64,
    /// The present, as of the last [`Outbox::tick`]: precise enough for the age of an answer.
    now: Instant,
    /// The outbound layers, when the component has any.
    layers: Option<Box<OutboundLayers>>,
    unconfirmed: Unconfirmed,
    /// The server may have ended the last stream over the stanza at the front.
    front_suspected: bool,
    /// A ping of this stream has come back; and something was confirmed by one.
    round_trip_seen: bool,
    progress: bool,
    /// Streams in a row that broke without a word, and without progress.
    failed_streams: u32,
    /// Something stands between an answer and the socket: layers, or a trial.
    indirect: bool,
    log: Throttle,
}

#[derive(Debug)]
struct Boundary {
    end: u64,
    since: Instant,
    completion: Completion,
}

impl Outbox {
    pub(crate) fn new(layers: Option<OutboundLayers>) -> Self {
        Self {
            bytes: Vec::new(),
            sent: 0,
            boundaries: VecDeque::new(),
            base: 0,
            front: 0,
            now: Instant::now(),
            indirect: layers.is_some(),
            layers: layers.map(Box::new),
            unconfirmed: Unconfirmed::default(),
            front_suspected: false,
            round_trip_seen: false,
            progress: false,
            failed_streams: 0,
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
    pub(crate) fn at_time<T>(&mut self, since: Instant, add: impl FnOnce(&mut Self) -> T) -> T {
        let now = std::mem::replace(&mut self.now, since);
        let added = add(self);
        self.now = now;
        added
    }

    /// Bytes that wait for the socket, or for the outbound layers, or for the end of a trial.
    pub(crate) fn len(&self) -> usize {
        let waiting = self.bytes.len() - self.sent;
        if self.indirect {
            waiting + self.indirect_len()
        } else {
            waiting
        }
    }

    fn indirect_len(&self) -> usize {
        self.layers.as_ref().map_or(0, |layers| layers.weight()) + self.unconfirmed.added()
    }

    /// Whether some stanzas have not been written yet, or are not known to have been taken.
    pub(crate) fn is_owed(&self) -> bool {
        let in_flight = self
            .layers
            .as_ref()
            .is_some_and(|layers| !layers.is_empty());
        in_flight || !self.unconfirmed.is_empty() || self.unconfirmed.is_quarantine_active()
    }

    /// Whether something waits for the server to take it, or to be seen to work: a ping will tell.
    pub(crate) fn awaits_round_trip(&self) -> bool {
        !self.unconfirmed.is_empty()
            || (self.unconfirmed.is_quarantine_active() && !self.round_trip_seen)
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
        if self.indirect {
            let bytes = self.bytes.split_off(start);
            self.push_to_layers(stanza, bytes, request);
        } else {
            self.push_boundary(Completion::Answer);
        }
        Ok(())
    }

    fn push_to_layers(&mut self, stanza: Stanza, bytes: Vec<u8>, request: &Stanza) {
        let Some(layers) = &mut self.layers else {
            return self.add(bytes, Completion::Answer);
        };
        let owed = stanza.kind().is_response() || reply::should_bounce(request);
        let request = owed.then(|| Box::new(request.clone_header()));
        layers.push(InFlight {
            stanza,
            completion: Completion::Answer,
            since: self.now,
            request,
            weight: bytes.len(),
        });
    }

    /// Adds what a client has queued.
    pub(crate) fn entry(&mut self, entry: Entry) {
        match (entry.content, &mut self.layers) {
            (Content::Bytes(bytes), _) => self.add(bytes, entry.completion),
            (Content::Stanza(stanza, weight), Some(layers)) => {
                let stanza = *stanza;
                let completion = entry.completion;
                layers.push(InFlight {
                    stanza,
                    completion,
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
        counters: &Registry,
    ) -> Result<bool, BoxError> {
        let Some(mut layers) = self.layers.take() else {
            return Ok(false);
        };
        // Without the stack, what is said instead of a refused answer goes straight to the socket.
        let more = layers.poll(cx, &shared.pending, |passed| {
            self.passed(passed, shared, counters)
        });
        self.layers = Some(layers);
        more
    }

    fn passed(&mut self, passed: LayerResult, shared: &Shared, counters: &Registry) {
        let LayerResult { result, in_flight } = passed;
        match result {
            Ok(bytes) if bytes.is_empty() => in_flight.completion.done(),
            Ok(bytes) => self.at_time(in_flight.since, |out| out.add(bytes, in_flight.completion)),
            Err(error) => self.refused(in_flight, error, shared, counters),
        }
    }

    /// A layer has something against a stanza. An IQ request and the sender of a message are
    /// answered all the same.
    fn refused(
        &mut self,
        in_flight: InFlight,
        error: BoxError,
        shared: &Shared,
        counters: &Registry,
    ) {
        if error.is::<Panicked>() {
            counters.panics.inc();
        }
        if !matches!(in_flight.completion, Completion::Answer) {
            return in_flight.completion.refuse(error, &shared.pending);
        }
        counters.unwritable.inc();
        if self.log.allow() {
            let to = in_flight.stanza.to().map(Jid::as_str);
            let id = in_flight.stanza.id();
            let why = crate::error::chain(&error);
            tracing::error!(
                ?to,
                ?id,
                ?why,
                "an outbound layer did not let an answer out"
            );
        }
        if let Some(request) = in_flight.request {
            let refusal = reply::error_reply(&request, &crate::error::classify(&error).error);
            // Conditions and addresses that came in can always be written.
            let _ = self.answer(shared, refusal, &request);
        }
    }

    /// Gives up what has not passed the outbound layers: nothing may follow our closing tag.
    pub(crate) fn abandon(&mut self) {
        if let Some(layers) = &mut self.layers {
            layers.clear();
        }
        drop(self.unconfirmed.end_quarantine());
        self.indirect = self.layers.is_some();
    }

    /// A ping to ourselves that ended at this position has come back.
    pub(crate) fn confirm(&mut self, position: u64, counters: &Registry) {
        self.round_trip_seen |= position > 0;
        self.progress |= self.unconfirmed.confirm(position, counters);
    }

    /// The stream has broken, perhaps over something that we have sent.
    pub(crate) fn connection_lost(&mut self, error: &LinkError, counters: &Registry) {
        match error {
            LinkError::Stream(error) if error.is_about_a_stanza() => {
                self.isolate(Some(error), counters)
            }
            LinkError::Io(_) | LinkError::Closed if self.unconfirmed.is_quarantine_active() => {
                self.isolate(None, counters)
            }
            // Both servers end like this when they stop; but what ends one stream after the other
            // may be in them.
            LinkError::Io(_) | LinkError::Closed if self.is_stuck() => {
                self.failed_streams += 1;
                if self.failed_streams >= MAX_FAILED_STREAMS {
                    self.isolate(None, counters);
                }
            }
            _ => self.failed_streams = 0,
        }
    }

    /// Nothing was confirmed on this stream although something was written, or the very first
    /// stanza was cut off.
    fn is_stuck(&self) -> bool {
        let cut = self.front < self.position() && !self.round_trip_seen;
        !self.progress && (self.unconfirmed.is_written() || cut)
    }

    fn isolate(&mut self, error: Option<&StreamError>, counters: &Registry) {
        self.failed_streams = 0;
        let begun = self.front < self.position();
        let kept = self
            .boundaries
            .front()
            .is_some_and(|boundary| matches!(boundary.completion, Completion::Kept));
        self.unconfirmed.isolate(error, begun && kept, counters);
        self.front_suspected = begun && !kept;
    }

    /// While there are suspects: the next stanza, once the one before is known to be innocent.
    pub(crate) fn advance_quarantine(&mut self, pending: &Pending) {
        // Only a stream that works can say anything about a stanza.
        if !self.unconfirmed.is_quarantine_active() || !self.round_trip_seen {
            return;
        }
        while let Some(encoded) = self.unconfirmed.next(pending) {
            self.append(encoded);
        }
        self.indirect = self.layers.is_some() || self.unconfirmed.is_quarantine_active();
    }

    /// Whether stanzas of clients have to wait until the suspects among them are known.
    pub(crate) fn is_quarantine_active(&self) -> bool {
        self.unconfirmed.is_quarantine_active()
    }

    /// Too much waits for the end of a trial.
    pub(crate) fn release(&mut self) {
        if self.unconfirmed.is_quarantine_active() {
            let waiting = self.unconfirmed.release();
            waiting.into_iter().for_each(|encoded| self.append(encoded));
            self.indirect = self.layers.is_some();
        }
    }

    /// Adds bytes that belong to this stream alone.
    pub(crate) fn push_control(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.push_boundary(Completion::Stream);
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
    pub(crate) fn advance(&mut self, count: usize, counters: &Registry) {
        self.sent += count;
        let position = self.position();
        let mut written = 0;
        while let Some(boundary) = self
            .boundaries
            .pop_front_if(|boundary| boundary.end <= position)
        {
            self.front = boundary.end;
            written += u64::from(!matches!(boundary.completion, Completion::Stream));
            match boundary.completion {
                Completion::Kept => self.unconfirmed.mark_written(),
                completion => completion.done(),
            }
        }
        counters.sent.add(written);
        self.compact();
    }

    /// Prepares for the next stream. What the server is not known to have taken is written again if
    /// that was asked for, and so, whole, is a stanza that was written in part. Requests that
    /// nobody waits for any more and answers that are too old are left out.
    pub(crate) fn restart(&mut self, pending: &Pending, answer_age: Duration, counters: &Registry) {
        let now = Instant::now();
        let is_fresh = |since: Instant| {
            let fresh = now.duration_since(since) < answer_age;
            counters.stale.add(u64::from(!fresh));
            fresh
        };
        if let Some(layers) = &mut self.layers {
            layers.retain(|in_flight| {
                !matches!(in_flight.completion, Completion::Answer) || is_fresh(in_flight.since)
            });
        }
        let (again, left) = self.take_unsent();
        let is_due = |encoded: &EncodedStanza| match &encoded.completion {
            Completion::Answer => is_fresh(encoded.since),
            Completion::Stream => false,
            completion => completion.is_wanted(pending),
        };
        let again = again.filter(is_due).inspect(|_| counters.resent.inc());
        let encoded_stanzas: VecDeque<_> = again.chain(left.into_iter().filter(is_due)).collect();
        if encoded_stanzas.iter().any(|encoded| encoded.suspected) {
            self.unconfirmed.begin_quarantine(encoded_stanzas);
            self.indirect = true;
        } else {
            encoded_stanzas
                .into_iter()
                .for_each(|encoded| self.append(encoded));
        }
    }

    /// What the stream that is over leaves behind: what was written and is kept, and what was not
    /// written whole.
    fn take_unsent(
        &mut self,
    ) -> (
        impl Iterator<Item = EncodedStanza> + use<>,
        Vec<EncodedStanza>,
    ) {
        let bytes = std::mem::take(&mut self.bytes);
        let boundaries = std::mem::take(&mut self.boundaries);
        let base = self.base;
        let mut start = self.front;
        (self.sent, self.base, self.front) = (0, 0, 0);
        (self.round_trip_seen, self.progress) = (false, false);
        let (again, mut kept) = self.unconfirmed.take();
        let mut front_suspected = std::mem::take(&mut self.front_suspected);
        let mut left = Vec::with_capacity(boundaries.len());
        for Boundary {
            end,
            since,
            completion,
        } in boundaries
        {
            let stanza = &bytes[offset(start, base)..offset(end, base)];
            start = end;
            left.extend(match completion {
                Completion::Kept => kept.next(),
                completion => {
                    let bytes = stanza.to_vec();
                    let suspected = std::mem::take(&mut front_suspected);
                    Some(EncodedStanza {
                        bytes,
                        completion,
                        since,
                        suspected,
                        failures: 0,
                    })
                }
            });
        }
        left.extend(self.unconfirmed.end_quarantine());
        self.indirect = self.layers.is_some();
        (again, left)
    }

    /// Adds a stanza, unless it has to wait for the end of a trial.
    fn add(&mut self, bytes: Vec<u8>, completion: Completion) {
        let encoded = EncodedStanza {
            bytes,
            completion,
            since: self.now,
            suspected: false,
            failures: 0,
        };
        if let Some(encoded) = self.unconfirmed.hold(encoded) {
            self.append(encoded);
        }
    }

    fn append(&mut self, encoded: EncodedStanza) {
        self.bytes.extend_from_slice(&encoded.bytes);
        let end = self.end();
        let since = encoded.since;
        let completion = if encoded.is_kept() {
            self.unconfirmed.keep(encoded, end);
            Completion::Kept
        } else {
            encoded.completion
        };
        self.boundaries.push_back(Boundary {
            end,
            since,
            completion,
        });
    }

    fn push_boundary(&mut self, completion: Completion) {
        let end = self.end();
        self.boundaries.push_back(Boundary {
            end,
            since: self.now,
            completion,
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
            self.boundaries.shrink_to(KEEP / 64);
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
