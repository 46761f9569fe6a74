//! The quarantine, which finds the stanza that makes the server close the stream.
//!
//! ```text
//!            stream lost because of a stanza              next stream
//! Inactive ─────────────────────────────────▶ Accused ─────────────────▶ Active
//!    ▲                                           ▲                          │
//!    │                                           └──────── stream lost ─────┤
//!    └────── nothing suspected is left, or too much waits ──────────────────┘
//! ```

use std::collections::VecDeque;

use super::unconfirmed::{EncodedStanza, Unconfirmed};
use crate::client::Pending;
use crate::error::{LinkError, StreamError};
use crate::metrics::Registry;

/// Consecutive streams lost without progress after which the stanzas written to them are suspected.
const MAX_FAILED_STREAMS: u32 = 2;
/// Streams lost without an error while a stanza is isolated after which it counts as poisoned: each
/// of them had been seen to work right before, so this is not by chance.
const MAX_FAILURES: u32 = 3;

/// The search for a poisoned stanza. It outlives streams.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    state: State,
    proof: Proof,
}

#[derive(Debug)]
enum State {
    /// No stanza is suspected.
    Inactive {
        /// Consecutive streams lost without an error and without progress.
        failed_streams: u32,
    },
    /// The last stream may have ended because of a stanza, and the next one has not begun.
    Accused {
        /// Set if the first stanza that was not kept is suspected: it was written in part.
        front: bool,
        held: Held,
    },
    /// Suspected stanzas are written one at a time, each alone between two pings; everything else
    /// waits.
    Active(Held),
}

/// Proof from round trips of pings on the current stream.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Proof {
    #[default]
    None,
    /// The stream works.
    RoundTrip,
    /// The server has accepted stanzas.
    Confirmed,
}

#[derive(Debug, Default)]
struct Held {
    waiting: VecDeque<EncodedStanza>,
    /// Bytes of the stanzas queued since the quarantine began.
    added: usize,
}

/// The stanza that follows the last complete one on a lost stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Partial {
    /// No part of it was written.
    NotBegun,
    /// It was written in part and is kept.
    Kept,
    /// It was written in part and is not kept.
    NotKept,
}

impl Default for State {
    fn default() -> Self {
        Self::Inactive { failed_streams: 0 }
    }
}

impl Quarantine {
    /// Returns `true` if stanzas have to wait.
    #[inline]
    pub(super) fn is_active(&self) -> bool {
        !matches!(self.state, State::Inactive { .. })
    }

    /// Returns `true` if the stream has to be proved to work before a suspected stanza is written.
    pub(super) fn awaits_proof(&self) -> bool {
        self.is_active() && self.proof == Proof::None
    }

    /// Returns the bytes of the stanzas queued since the quarantine began.
    pub(super) fn added(&self) -> usize {
        match &self.state {
            State::Inactive { .. } => 0,
            State::Accused { held, .. } | State::Active(held) => held.added,
        }
    }

    /// Queues a stanza if a quarantine is active, or returns it.
    pub(super) fn hold(&mut self, encoded: EncodedStanza) -> Option<EncodedStanza> {
        match &mut self.state {
            State::Inactive { .. } => Some(encoded),
            State::Accused { held, .. } | State::Active(held) => {
                held.added += encoded.bytes.len();
                held.waiting.push_back(encoded);
                None
            }
        }
    }

    /// Handles a ping that ended at this stream position and has come back. `confirmed` is set if
    /// it has confirmed stanzas.
    pub(super) fn round_trip(&mut self, position: u64, confirmed: bool) {
        let proof = match (confirmed, position) {
            (true, _) => Proof::Confirmed,
            (false, 0) => Proof::None,
            (false, _) => Proof::RoundTrip,
        };
        self.proof = self.proof.max(proof);
    }

    /// Handles the loss of a stream, which may be due to a stanza that was sent.
    pub(super) fn stream_lost(
        &mut self,
        error: &LinkError,
        partial: Partial,
        unconfirmed: &mut Unconfirmed,
        counters: &Registry,
    ) {
        let stuck = self.is_stuck(partial, unconfirmed);
        match (error, &mut self.state) {
            (LinkError::Stream(error), _) if error.is_about_a_stanza() => {
                self.accuse(Some(error), partial, unconfirmed, counters);
            }
            (LinkError::Io(_) | LinkError::Closed, State::Accused { .. } | State::Active(_)) => {
                self.accuse(None, partial, unconfirmed, counters);
            }
            // Both servers close streams like this when they stop, but repeated losses may be due
            // to a stanza.
            (LinkError::Io(_) | LinkError::Closed, State::Inactive { failed_streams }) if stuck => {
                *failed_streams += 1;
                if *failed_streams >= MAX_FAILED_STREAMS {
                    self.accuse(None, partial, unconfirmed, counters);
                }
            }
            (_, State::Inactive { failed_streams }) => *failed_streams = 0,
            (_, State::Accused { .. } | State::Active(_)) => {}
        }
    }

    /// Returns `true` if nothing was confirmed on this stream although something was written, or if
    /// the very first stanza was cut off.
    fn is_stuck(&self, partial: Partial, unconfirmed: &Unconfirmed) -> bool {
        match self.proof {
            Proof::None => unconfirmed.written() > 0 || partial != Partial::NotBegun,
            Proof::RoundTrip => unconfirmed.written() > 0,
            Proof::Confirmed => false,
        }
    }

    /// Handles a stream that the server closed, or may have closed, because of a stanza.
    ///
    /// A stanza that was isolated is the cause; otherwise all stanzas that were written, completely
    /// or in part, become suspected. Without an error from the server, it takes more than one such
    /// stream to condemn an isolated stanza.
    fn accuse(
        &mut self,
        error: Option<&StreamError>,
        partial: Partial,
        unconfirmed: &mut Unconfirmed,
        counters: &Registry,
    ) {
        let held = self.end();
        let front = partial == Partial::NotKept;
        self.state = State::Accused { front, held };
        let seen = unconfirmed.written() + usize::from(partial == Partial::Kept);
        match unconfirmed.first_mut() {
            Some(isolated) if isolated.suspected && seen > 0 => {
                isolated.failures += 1;
                if error.is_some() || isolated.failures >= MAX_FAILURES {
                    let poisoned = unconfirmed.pop_first();
                    let error = error.cloned().unwrap_or_else(silent_error);
                    give_up(poisoned, &error, counters);
                }
            }
            _ => unconfirmed
                .iter_mut()
                .take(seen)
                .for_each(|encoded| encoded.suspected = true),
        }
    }

    /// Ends the last stream. Returns `true` if the first stanza that was not kept is suspected, and
    /// the stanzas that have waited.
    pub(super) fn end_stream(&mut self) -> (bool, VecDeque<EncodedStanza>) {
        self.proof = Proof::None;
        match &self.state {
            State::Inactive { .. } => (false, VecDeque::new()),
            State::Accused { front, .. } => (*front, self.end().waiting),
            State::Active(_) => (false, self.end().waiting),
        }
    }

    /// Begins the next stream with these stanzas, and a quarantine if any of them is suspected.
    /// Returns the stanzas to write at once.
    pub(super) fn begin_stream(
        &mut self,
        stanzas: VecDeque<EncodedStanza>,
    ) -> VecDeque<EncodedStanza> {
        if !stanzas.iter().any(|encoded| encoded.suspected) {
            return stanzas;
        }
        self.state = State::Active(Held {
            waiting: stanzas,
            added: 0,
        });
        VecDeque::new()
    }

    /// Returns the next stanza to write, or `None` while a suspected one is isolated. Ends the
    /// quarantine if there is none.
    pub(super) fn next(
        &mut self,
        unconfirmed: &Unconfirmed,
        pending: &Pending,
    ) -> Option<EncodedStanza> {
        let State::Active(held) = &mut self.state else {
            return None;
        };
        // A stream proves something about a stanza only if the stream was seen to work.
        let isolated = unconfirmed.first().is_some_and(|first| first.suspected);
        if isolated || self.proof == Proof::None {
            return None;
        }
        while let Some(encoded) = held.waiting.pop_front() {
            held.added = held.added.saturating_sub(encoded.bytes.len());
            if encoded.completion.is_wanted(pending) {
                return Some(encoded);
            }
        }
        self.state = State::default();
        None
    }

    /// Drops the stanzas that wait.
    pub(super) fn abandon(&mut self) {
        drop(self.end());
    }

    /// Ends the quarantine and releases all suspected stanzas: once others are written around them,
    /// a lost stream can no longer be attributed to one of them. Returns the stanzas to write.
    pub(super) fn release(&mut self, unconfirmed: &mut Unconfirmed) -> VecDeque<EncodedStanza> {
        let mut waiting = self.end().waiting;
        unconfirmed
            .iter_mut()
            .chain(&mut waiting)
            .for_each(|encoded| encoded.suspected = false);
        waiting
    }

    fn end(&mut self) -> Held {
        match std::mem::take(&mut self.state) {
            State::Inactive { .. } => Held::default(),
            State::Accused { held, .. } | State::Active(held) => held,
        }
    }
}

fn give_up(poisoned: Option<EncodedStanza>, error: &StreamError, counters: &Registry) {
    let Some(EncodedStanza {
        bytes, completion, ..
    }) = poisoned
    else {
        return;
    };
    counters.poisoned.inc();
    tracing::error!(%error, bytes = bytes.len(), "stanza poisoned: the server \
        closes the stream because of it; not sending it again");
    completion.fail_poisoned(error);
}

/// Returns a substitute for a stream error that was never received.
///
/// Prosody closes the socket while it still has unread bytes, and the resulting reset may arrive
/// before the stream error does.
fn silent_error() -> StreamError {
    let text = "the connection is reset after this stanza and after no other".to_owned();
    StreamError {
        condition: "undefined-condition".to_owned(),
        text: Some(text),
    }
}
