//! The outbound buffer, in whole stanzas, so that a lost connection loses none of them.
//!
//! A stanza takes one of these paths to the socket:
//!
//! - Directly into `bytes`, if there are no outbound layers and no quarantine.
//! - Through [`OutboundLayers`] first, if the component has any.
//! - Into the queue of the quarantine, while the server may have closed a stream because of one of
//!   the stanzas written before.

use std::collections::VecDeque;
use std::task::Context;

use jid::Jid;
use tokio::time::{Duration, Instant};

use super::outbound_layers::{InFlight, LayerResult, OutboundLayers, Panicked};
use super::quarantine::{Partial, Quarantine};
use super::unconfirmed::{EncodedStanza, Unconfirmed};
use crate::client::{Completion, Content, Entry, Pending, Shared};
use crate::dispatch::ReplySink;
use crate::error::{BoxError, LinkError};
use crate::metrics::Registry;
use crate::reply;
use crate::stanza::{Stanza, WriteError};
use crate::throttle::Throttle;

/// A buffer of serialized stanzas. It outlives connections.
#[derive(Debug)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// The number of bytes of `bytes` that have been written to the socket.
    sent: usize,
    /// The end of each stanza in `bytes`, as a stream position.
    boundaries: VecDeque<Boundary>,
    /// Stream position of `bytes[0]`.
    base: u64,
    /// Stream position at which the first stanza of `boundaries` begins.
    front: u64,
    /// The current time as of the last [`Outbox::tick`], precise enough for the age of a reply.
    now: Instant,
    /// The outbound layers, if the component has any.
    layers: Option<Box<OutboundLayers>>,
    unconfirmed: Unconfirmed,
    quarantine: Quarantine,
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
            layers: layers.map(Box::new),
            unconfirmed: Unconfirmed::default(),
            quarantine: Quarantine::default(),
            log: Throttle::default(),
        }
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        self.now = now;
    }

    /// Returns the bytes that wait for the socket, the outbound layers or the end of a quarantine.
    pub(crate) fn len(&self) -> usize {
        let waiting = self.bytes.len() - self.sent;
        if self.is_direct() {
            waiting
        } else {
            waiting + self.indirect_len()
        }
    }

    /// Returns `true` if stanzas go directly into `bytes`: there are no outbound layers and no
    /// quarantine.
    fn is_direct(&self) -> bool {
        self.layers.is_none() && !self.quarantine.is_active()
    }

    fn indirect_len(&self) -> usize {
        self.layers.as_ref().map_or(0, |layers| layers.weight()) + self.quarantine.added()
    }

    /// Returns `true` if stanzas are in the layers, unconfirmed or in quarantine.
    pub(crate) fn is_owed(&self) -> bool {
        let in_flight = self
            .layers
            .as_ref()
            .is_some_and(|layers| !layers.is_empty());
        in_flight || !self.unconfirmed.is_empty() || self.quarantine.is_active()
    }

    /// Returns `true` if the round trip of a ping is awaited, to confirm stanzas or to prove that a
    /// stream works.
    pub(crate) fn awaits_round_trip(&self) -> bool {
        !self.unconfirmed.is_empty() || self.quarantine.awaits_proof()
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    fn push_to_layers(&mut self, stanza: Stanza, bytes: Vec<u8>, request: &Stanza, since: Instant) {
        let Some(layers) = &mut self.layers else {
            return self.add(bytes, Completion::Answer, since);
        };
        let owed = stanza.kind().is_response() || reply::should_bounce(request);
        let request = owed.then(|| Box::new(request.clone_header()));
        layers.push(InFlight {
            stanza,
            completion: Completion::Answer,
            since,
            request,
            weight: bytes.len(),
        });
    }

    /// Adds a stanza from the queue of the clients.
    pub(crate) fn entry(&mut self, entry: Entry) {
        match (entry.content, &mut self.layers) {
            (Content::Bytes(bytes), _) => self.add(bytes, entry.completion, self.now),
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
            // Clients queue unserialized stanzas only for layers.
            (Content::Stanza(..), None) => {}
        }
    }

    /// Polls the outbound layers. Returns `true` if there is more to do at once.
    ///
    /// # Errors
    /// If the layers will never be ready again.
    pub(crate) fn pass(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        counters: &Registry,
    ) -> Result<bool, BoxError> {
        let Some(mut layers) = self.layers.take() else {
            return Ok(false);
        };
        // While the layers are taken out, the error sent in place of a rejected reply bypasses
        // them.
        let more = layers.poll(cx, &shared.pending, |passed| {
            self.passed(passed, shared, counters);
        });
        self.layers = Some(layers);
        more
    }

    fn passed(&mut self, passed: LayerResult, shared: &Shared, counters: &Registry) {
        let LayerResult { result, in_flight } = passed;
        match result {
            Ok(bytes) if bytes.is_empty() => in_flight.completion.done(),
            Ok(bytes) => self.add(bytes, in_flight.completion, in_flight.since),
            Err(error) => self.refused(in_flight, error, shared, counters),
        }
    }

    /// Handles a stanza that a layer rejected. The sender of an IQ request or message gets an error
    /// reply all the same.
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
            tracing::error!(?to, ?id, ?why, "outbound layer rejected a reply");
        }
        if let Some(request) = in_flight.request {
            let refusal = reply::error_reply(&request, &crate::error::classify(&error).error);
            // Conditions and addresses that were received can always be written.
            let _ = self.write_reply(shared, refusal, &request, self.now);
        }
    }

    /// Drops everything that has not passed the outbound layers: nothing may follow the closing
    /// tag.
    pub(crate) fn abandon(&mut self) {
        if let Some(layers) = &mut self.layers {
            layers.clear();
        }
        self.quarantine.abandon();
    }

    /// Handles a ping that ended at this stream position and has come back.
    pub(crate) fn confirm(&mut self, position: u64, counters: &Registry) {
        let confirmed = self.unconfirmed.confirm(position, counters);
        self.quarantine.round_trip(position, confirmed);
    }

    /// Handles the loss of a stream, which may be due to a stanza that was sent.
    pub(crate) fn connection_lost(&mut self, error: &LinkError, counters: &Registry) {
        let partial = match self.boundaries.front() {
            _ if self.front >= self.position() => Partial::NotBegun,
            Some(Boundary {
                completion: Completion::Kept,
                ..
            }) => Partial::Kept,
            _ => Partial::NotKept,
        };
        self.quarantine
            .stream_lost(error, partial, &mut self.unconfirmed, counters);
    }

    /// Writes the next stanza of a quarantine, once the one before has been confirmed.
    pub(crate) fn advance_quarantine(&mut self, pending: &Pending) {
        while let Some(encoded) = self.quarantine.next(&self.unconfirmed, pending) {
            self.append(encoded);
        }
    }

    /// Returns `true` while a quarantine is active, in which stanzas of clients have to wait.
    pub(crate) fn is_quarantine_active(&self) -> bool {
        self.quarantine.is_active()
    }

    /// Ends a quarantine for which too much is waiting.
    pub(crate) fn release(&mut self) {
        if self.quarantine.is_active() {
            let waiting = self.quarantine.release(&mut self.unconfirmed);
            waiting.into_iter().for_each(|encoded| self.append(encoded));
        }
    }

    /// Adds bytes that belong only to this stream.
    pub(crate) fn push_control(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.push_boundary(Completion::Stream, self.now);
    }

    /// Returns the stream position after everything added so far.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// Returns the stream position up to which the socket has accepted everything.
    pub(crate) fn position(&self) -> u64 {
        self.base + self.sent as u64
    }

    /// Records that the socket has accepted `count` more bytes, and completes the stanzas that end
    /// within them.
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

    /// Prepares for the next stream.
    ///
    /// Unconfirmed stanzas are written again if confirmation was requested, and so, from its
    /// beginning, is a stanza that was written in part. Requests without a waiting caller and
    /// replies that are too old are dropped.
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
        let unsent = again.chain(left.into_iter().filter(is_due)).collect();
        for encoded in self.quarantine.begin_stream(unsent) {
            self.append(encoded);
        }
    }

    /// Takes the stanzas that the last stream left: those written and kept, and those not
    /// completely written.
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
        let (again, mut kept) = self.unconfirmed.take();
        let (mut front_suspected, waiting) = self.quarantine.end_stream();
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
        left.extend(waiting);
        (again, left)
    }

    /// Adds a stanza, or queues it if a quarantine is active.
    fn add(&mut self, bytes: Vec<u8>, completion: Completion, since: Instant) {
        let encoded = EncodedStanza {
            bytes,
            completion,
            since,
            suspected: false,
            failures: 0,
        };
        if let Some(encoded) = self.quarantine.hold(encoded) {
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

    fn push_boundary(&mut self, completion: Completion, since: Instant) {
        let end = self.end();
        self.boundaries.push_back(Boundary {
            end,
            since,
            completion,
        });
    }

    fn compact(&mut self) {
        const KEEP: usize = 256 * 1024;
        if self.sent == self.bytes.len() {
            self.base += self.sent as u64;
            self.sent = 0;
            self.bytes.clear();
            // Returns the memory of a burst.
            self.bytes.shrink_to(KEEP);
            self.boundaries.shrink_to(KEEP / 64);
        } else {
            // The sent part of the first stanza is kept: the next stream needs the whole stanza.
            let done = offset(self.front, self.base);
            if done >= KEEP {
                self.base += done as u64;
                self.bytes.drain(..done);
                self.sent -= done;
            }
        }
    }
}

impl ReplySink for Outbox {
    fn now(&self) -> Instant {
        self.now
    }

    fn write_reply(
        &mut self,
        shared: &Shared,
        mut reply: Stanza,
        request: &Stanza,
        since: Instant,
    ) -> Result<(), WriteError> {
        let start = self.bytes.len();
        shared.complete(&mut reply)?;
        shared.append(&reply, &mut self.bytes)?;
        if self.is_direct() {
            self.push_boundary(Completion::Answer, since);
        } else {
            let bytes = self.bytes.split_off(start);
            self.push_to_layers(reply, bytes, request, since);
        }
        Ok(())
    }
}

fn offset(position: u64, base: u64) -> usize {
    // Both positions lie within the buffer, whose length is a `usize`.
    usize::try_from(position - base).unwrap_or(0)
}
