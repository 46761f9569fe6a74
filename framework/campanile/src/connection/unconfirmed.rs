//! Stanzas that are kept until the server is known to have taken them, and those that it may have
//! ended a stream over.
//!
//! XEP-0114 has no acknowledgements. But servers handle a stream in its order, so when a ping to
//! ourselves comes back, all that was written before it has been taken.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::client::{Completion, Pending};
use crate::error::StreamError;
use crate::metrics::Registry;

/// What was added to this stream and is kept, in its order.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    kept: VecDeque<Kept>,
    /// How many of them, from the front, have been written.
    written: usize,
    quarantine: Option<Quarantine>,
}

/// A whole stanza as bytes, and who wants to know of it.
#[derive(Debug)]
pub(super) struct EncodedStanza {
    pub(super) bytes: Vec<u8>,
    pub(super) completion: Completion,
    pub(super) since: Instant,
    /// The server may have ended a stream over it.
    pub(super) suspected: bool,
    /// How many streams have broken without a word while it was on trial.
    pub(super) failures: u32,
}

#[derive(Debug)]
struct Kept {
    encoded: EncodedStanza,
    end: u64,
}

/// So many streams that break without a word while a stanza is on trial are no chance any more:
/// each of them had been seen to work right before.
const MAX_FAILURES: u32 = 3;

/// Suspects are written one at a time, each alone between two pings; all else waits for its turn.
#[derive(Debug, Default)]
struct Quarantine {
    waiting: VecDeque<EncodedStanza>,
    /// Bytes of what has come since the trial began.
    added: usize,
}

impl EncodedStanza {
    /// Whether it must not be forgotten once it is written.
    pub(super) fn is_kept(&self) -> bool {
        self.suspected || matches!(self.completion, Completion::Confirmed(_))
    }
}

impl Unconfirmed {
    /// A stanza has been added that ends at this position.
    pub(super) fn keep(&mut self, encoded: EncodedStanza, end: u64) {
        self.kept.push_back(Kept { encoded, end });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The next of them has been written.
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

    /// The server has taken everything before this position. True when that is something new.
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
            // A burst must not leave its memory behind.
            self.kept.shrink_to(1024);
        }
        self.kept.len() < before
    }

    /// Whether any of them has been written whole.
    pub(super) fn is_written(&self) -> bool {
        self.written > 0
    }

    /// The server has ended the stream over a stanza, or may have. One that was alone on trial is
    /// it, else all that was written, in whole or in part, is suspect. `begun`: some of the stanza
    /// behind the last written one was written. Without an error the server said nothing, and it
    /// takes more than one such stream.
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
            tracing::error!(%error, bytes = bytes.len(), "the server ends streams over a stanza: \
                it is not sent again");
            completion.fail_poisoned(&error);
        }
    }

    /// The stream is over: what was written, and what was not.
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

    /// Bytes that wait and were not there when the trial began.
    pub(super) fn added(&self) -> usize {
        self.quarantine
            .as_ref()
            .map_or(0, |quarantine| quarantine.added)
    }

    /// Suspects have to be told from the others.
    pub(super) fn begin_quarantine(&mut self, waiting: VecDeque<EncodedStanza>) {
        self.quarantine = Some(Quarantine { waiting, added: 0 });
    }

    /// Gives back the parcel unless it has to wait for the end of the trial.
    pub(super) fn hold(&mut self, encoded: EncodedStanza) -> Option<EncodedStanza> {
        let Some(quarantine) = &mut self.quarantine else {
            return Some(encoded);
        };
        quarantine.added += encoded.bytes.len();
        quarantine.waiting.push_back(encoded);
        None
    }

    /// What is written next: nothing while a suspect is on trial.
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

    /// Ends the trial; gives back what has waited for that.
    pub(super) fn end_quarantine(&mut self) -> VecDeque<EncodedStanza> {
        self.quarantine
            .take()
            .map(|quarantine| quarantine.waiting)
            .unwrap_or_default()
    }

    /// Lets all suspects go: with others around them, nothing could be held against one of them any
    /// more.
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
