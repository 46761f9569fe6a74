//! The outbound buffer, in whole stanzas, so that a lost connection loses none of them.
//!
//! A stanza takes one of these paths to the socket:
//!
//! - Directly into the buffer, if there are no outbound layers and no quarantine.
//! - Through [`OutboundLayers`] first, if the component has any.
//! - Into the queue of the quarantine, while the server may have closed a stream because of one of
//!   the stanzas written before.

mod buffer;
mod layers;
mod recovery;

use tokio::time::Instant;

use self::buffer::Buffer;
use super::outbound_layers::{InFlight, OutboundLayers};
use super::quarantine::Quarantine;
use super::unconfirmed::{EncodedStanza, Unconfirmed};
use crate::client::{Completion, Content, Entry, Shared};
use crate::dispatch::ReplySink;
use crate::metrics::Registry;
use crate::stanza::{Stanza, WriteError};
use crate::throttle::Throttle;

/// A buffer of serialized stanzas. It outlives connections.
#[derive(Debug)]
pub(crate) struct Outbox {
    buffer: Buffer,
    /// The current time as of the last [`Outbox::tick`], precise enough for the age of a reply.
    now: Instant,
    /// The outbound layers, if the component has any.
    layers: Option<Box<OutboundLayers>>,
    unconfirmed: Unconfirmed,
    quarantine: Quarantine,
    log: Throttle,
}

impl Outbox {
    pub(crate) fn new(layers: Option<OutboundLayers>) -> Self {
        Self {
            buffer: Buffer::default(),
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
        let waiting = self.buffer.unsent().len();
        if self.is_direct() {
            waiting
        } else {
            waiting + self.indirect_len()
        }
    }

    /// Returns `true` if stanzas go directly into the buffer: there are no outbound layers and no
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
        self.buffer.unsent()
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

    /// Drops everything that has not passed the outbound layers: nothing may follow the closing
    /// tag.
    pub(crate) fn abandon(&mut self) {
        if let Some(layers) = &mut self.layers {
            layers.clear();
        }
        self.quarantine.abandon();
    }

    /// Returns `true` while a quarantine is active, in which stanzas of clients have to wait.
    pub(crate) fn is_quarantine_active(&self) -> bool {
        self.quarantine.is_active()
    }

    /// Adds bytes that belong only to this stream.
    pub(crate) fn push_control(&mut self, bytes: &[u8]) {
        self.buffer.bytes().extend_from_slice(bytes);
        self.buffer.end_stanza(Completion::Stream, self.now);
    }

    /// Returns the stream position after everything added so far.
    pub(crate) fn end(&self) -> u64 {
        self.buffer.end()
    }

    /// Returns the stream position up to which the socket has accepted everything.
    pub(crate) fn position(&self) -> u64 {
        self.buffer.position()
    }

    /// Records that the socket has accepted `count` more bytes, and completes the stanzas that end
    /// within them.
    pub(crate) fn advance(&mut self, count: usize, counters: &Registry) {
        self.buffer.advance(count);
        let mut written = 0;
        while let Some(completion) = self.buffer.pop_written() {
            written += u64::from(!matches!(completion, Completion::Stream));
            match completion {
                Completion::Kept => self.unconfirmed.mark_written(),
                completion => completion.done(),
            }
        }
        counters.sent.add(written);
        self.buffer.compact();
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
        self.buffer.bytes().extend_from_slice(&encoded.bytes);
        let since = encoded.since;
        let completion = if encoded.is_kept() {
            self.unconfirmed.keep(encoded, self.buffer.end());
            Completion::Kept
        } else {
            encoded.completion
        };
        self.buffer.end_stanza(completion, since);
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
        shared.complete(&mut reply)?;
        let buffer = self.buffer.bytes();
        let start = buffer.len();
        shared.append(&reply, buffer)?;
        if self.is_direct() {
            self.buffer.end_stanza(Completion::Answer, since);
        } else {
            let bytes = self.buffer.bytes().split_off(start);
            self.push_to_layers(reply, bytes, request, since);
        }
        Ok(())
    }
}
