//! Confirmation, the loss of a stream, and the next stream.

use tokio::time::{Duration, Instant};

use super::Outbox;
use crate::client::{Completion, Pending};
use crate::connection::quarantine::Partial;
use crate::connection::unconfirmed::EncodedStanza;
use crate::error::LinkError;
use crate::metrics::Registry;

impl Outbox {
    /// Handles a ping that ended at this stream position and has come back.
    pub(crate) fn confirm(&mut self, position: u64, counters: &Registry) {
        let confirmed = self.unconfirmed.confirm(position, counters);
        self.quarantine.round_trip(position, confirmed);
    }

    /// Handles the loss of a stream, which may be due to a stanza that was sent.
    pub(crate) fn connection_lost(&mut self, error: &LinkError, counters: &Registry) {
        let partial = match self.buffer.partial() {
            None => Partial::NotBegun,
            Some(Completion::Kept) => Partial::Kept,
            Some(_) => Partial::NotKept,
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

    /// Ends a quarantine for which too much is waiting.
    pub(crate) fn release(&mut self) {
        if self.quarantine.is_active() {
            let waiting = self.quarantine.release(&mut self.unconfirmed);
            waiting.into_iter().for_each(|encoded| self.append(encoded));
        }
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
        let (again, mut kept) = self.unconfirmed.take();
        let (mut front_suspected, waiting) = self.quarantine.end_stream();
        let mut left = self
            .buffer
            .take(|bytes, since, completion| match completion {
                Completion::Kept => kept.next(),
                completion => Some(EncodedStanza {
                    bytes: bytes.to_vec(),
                    completion,
                    since,
                    suspected: std::mem::take(&mut front_suspected),
                    failures: 0,
                }),
            });
        left.extend(waiting);
        (again, left)
    }
}
