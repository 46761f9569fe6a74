//! Stanzas that are kept until the server confirms them, and the quarantine of those that may have
//! made it close a stream.
//!
//! XEP-0114 has no acknowledgements. But servers process a stream in order, so when a keepalive
//! ping comes back, everything written before it has been accepted.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::client::{Completion, Pending};
use crate::error::StreamError;
use crate::metrics::Registry;

/// The kept stanzas of this stream, in order.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    kept: VecDeque<Kept>,
    /// The number of them, from the front, that have been written.
    written: usize,
    quarantine: Option<Quarantine>,
}

/// A serialized stanza and its completion.
#[derive(Debug)]
pub(super) struct EncodedStanza {
    pub(super) bytes: Vec<u8>,
    pub(super) completion: Completion,
    pub(super) since: Instant,
    /// Set if the server may have closed a stream because of it.
    pub(super) suspected: bool,
    /// The number of streams lost without an error while it was in quarantine.
    pub(super) failures: u32,
}

#[derive(Debug)]
struct Kept {
    encoded: EncodedStanza,
    end: u64,
}

/// Streams lost without an error while a stanza is isolated after which it counts as poisoned: each
/// of them had been seen to work right before, so this is not by chance.
const MAX_FAILURES: u32 = 3;

/// Suspected stanzas are written one at a time, each alone between two pings; everything else
/// waits.
#[derive(Debug, Default)]
struct Quarantine {
    waiting: VecDeque<EncodedStanza>,
    /// Bytes of the stanzas queued since the quarantine began.
    added: usize,
}

impl EncodedStanza {
    /// Returns `true` if the stanza must be kept after it has been written.
    pub(super) fn is_kept(&self) -> bool {
        self.suspected || matches!(self.completion, Completion::Confirmed(_))
    }
}

impl Unconfirmed {
    /// Keeps a stanza that ends at this stream position.
    pub(super) fn keep(&mut self, encoded: EncodedStanza, end: u64) {
        self.kept.push_back(Kept { encoded, end });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Records that the next kept stanza has been written.
    pub(super) fn mark_written(&mut self) {
        if let Some(Kept {
            encoded:
                EncodedStanza {
                    completion: Completion::Confirmed(confirm),
                    ..
                },
            ..
        }) = self.kept.get(self.written)
        {
            confirm.written();
        }
        self.written += 1;
    }

    /// Confirms everything before this stream position. Returns `true` if that is new.
    pub(super) fn confirm(&mut self, position: u64, counters: &Registry) -> bool {
        let before = self.kept.len();
        while self.written > 0
            && let Some(kept) = self.kept.pop_front_if(|kept| kept.end <= position)
        {
            self.written -= 1;
            counters.confirmed.inc();
            kept.encoded.completion.done();
        }
        if self.kept.is_empty() {
            // Returns the memory of a burst.
            self.kept.shrink_to(1024);
        }
        self.kept.len() < before
    }

    /// Returns `true` if any kept stanza has been written completely.
    pub(super) fn is_written(&self) -> bool {
        self.written > 0
    }

    /// Handles a stream that the server closed, or may have closed, because of a stanza.
    ///
    /// A stanza that was isolated is the cause; otherwise all stanzas that were written, completely
    /// or in part, become suspected. `begun` is set if a part of the stanza after the last complete
    /// one was written. Without an error from the server, it takes more than one such stream to
    /// condemn an isolated stanza.
    pub(super) fn isolate(
        &mut self,
        error: Option<&StreamError>,
        begun: bool,
        counters: &Registry,
    ) {
        let seen = self.written + usize::from(begun);
        let Some(Kept { encoded, .. }) = self
            .kept
            .front_mut()
            .filter(|kept| kept.encoded.suspected && seen > 0)
        else {
            return self
                .kept
                .iter_mut()
                .take(seen)
                .for_each(|kept| kept.encoded.suspected = true);
        };
        encoded.failures += 1;
        if error.is_none() && encoded.failures < MAX_FAILURES {
            return;
        }
        self.written = self.written.saturating_sub(1);
        let error = error.cloned().unwrap_or_else(silent_error);
        if let Some(Kept {
            encoded: EncodedStanza {
                bytes, completion, ..
            },
            ..
        }) = self.kept.pop_front()
        {
            counters.poisoned.inc();
            tracing::error!(%error, bytes = bytes.len(), "stanza poisoned: the server \
                closes the stream because of it; not sending it again");
            completion.fail_poisoned(&error);
        }
    }

    /// Takes all kept stanzas after the end of a stream: those that were written, and those that
    /// were not.
    pub(super) fn take(
        &mut self,
    ) -> (
        impl Iterator<Item = EncodedStanza> + use<>,
        impl Iterator<Item = EncodedStanza> + use<>,
    ) {
        let mut written = std::mem::take(&mut self.kept);
        let rest = written.split_off(std::mem::take(&mut self.written).min(written.len()));
        let encoded = |kept: Kept| kept.encoded;
        (
            written.into_iter().map(encoded),
            rest.into_iter().map(encoded),
        )
    }

    pub(super) fn is_quarantine_active(&self) -> bool {
        self.quarantine.is_some()
    }

    /// Returns the bytes of the stanzas queued since the quarantine began.
    pub(super) fn added(&self) -> usize {
        self.quarantine
            .as_ref()
            .map_or(0, |quarantine| quarantine.added)
    }

    /// Begins a quarantine, which finds the poisoned stanza among the suspected ones.
    pub(super) fn begin_quarantine(&mut self, waiting: VecDeque<EncodedStanza>) {
        self.quarantine = Some(Quarantine { waiting, added: 0 });
    }

    /// Queues a stanza if a quarantine is active, or returns it.
    pub(super) fn hold(&mut self, encoded: EncodedStanza) -> Option<EncodedStanza> {
        let Some(quarantine) = &mut self.quarantine else {
            return Some(encoded);
        };
        quarantine.added += encoded.bytes.len();
        quarantine.waiting.push_back(encoded);
        None
    }

    /// Returns the next stanza to write, or `None` while a suspected one is isolated.
    pub(super) fn next(&mut self, pending: &Pending) -> Option<EncodedStanza> {
        let quarantine = self.quarantine.as_mut()?;
        if self.kept.front().is_some_and(|kept| kept.encoded.suspected) {
            return None;
        }
        while let Some(encoded) = quarantine.waiting.pop_front() {
            quarantine.added = quarantine.added.saturating_sub(encoded.bytes.len());
            if encoded.completion.is_wanted(pending) {
                return Some(encoded);
            }
        }
        self.quarantine = None;
        None
    }

    /// Ends the quarantine and returns the stanzas it has queued.
    pub(super) fn end_quarantine(&mut self) -> VecDeque<EncodedStanza> {
        self.quarantine
            .take()
            .map(|quarantine| quarantine.waiting)
            .unwrap_or_default()
    }

    /// Releases all suspected stanzas: once others are written around them, a lost stream can no
    /// longer be attributed to one of them.
    pub(super) fn release(&mut self) -> VecDeque<EncodedStanza> {
        self.kept
            .iter_mut()
            .for_each(|kept| kept.encoded.suspected = false);
        let mut waiting = self.end_quarantine();
        waiting
            .iter_mut()
            .for_each(|encoded| encoded.suspected = false);
        waiting
    }
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
