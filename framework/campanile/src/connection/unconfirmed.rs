//! Stanzas that are kept until the server confirms them.
//!
//! XEP-0114 has no acknowledgements. But servers process a stream in order, so when a keepalive
//! ping comes back, everything written before it has been accepted.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::client::Completion;
use crate::metrics::Registry;

/// The kept stanzas of this stream, in order.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    kept: VecDeque<Kept>,
    /// The number of them, from the front, that have been written.
    written: usize,
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

    /// Returns the number of kept stanzas that have been written completely.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    pub(super) fn first(&self) -> Option<&EncodedStanza> {
        self.kept.front().map(|kept| &kept.encoded)
    }

    pub(super) fn first_mut(&mut self) -> Option<&mut EncodedStanza> {
        self.kept.front_mut().map(|kept| &mut kept.encoded)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut EncodedStanza> {
        self.kept.iter_mut().map(|kept| &mut kept.encoded)
    }

    /// Removes the first kept stanza.
    pub(super) fn pop_first(&mut self) -> Option<EncodedStanza> {
        self.written = self.written.saturating_sub(1);
        self.kept.pop_front().map(|kept| kept.encoded)
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
}
