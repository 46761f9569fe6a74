//! The bytes of whole stanzas on their way to the socket, and the end of each stanza.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::client::Completion;

/// The memory that an empty buffer keeps, in bytes.
const KEEP: usize = 256 * 1024;

/// The serialized stanzas of one stream that the socket has not accepted yet.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// The number of bytes of `bytes` that have been written to the socket.
    sent: usize,
    /// The end of each stanza in `bytes`, as a stream position.
    boundaries: VecDeque<Boundary>,
    /// Stream position of `bytes[0]`.
    base: u64,
    /// Stream position at which the first stanza of `boundaries` begins.
    front: u64,
}

#[derive(Debug)]
struct Boundary {
    end: u64,
    since: Instant,
    completion: Completion,
}

impl Buffer {
    /// Returns the bytes that the socket has not accepted yet.
    #[inline]
    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Returns the stream position after everything added so far.
    #[inline]
    pub(super) fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// Returns the stream position up to which the socket has accepted everything.
    #[inline]
    pub(super) fn position(&self) -> u64 {
        self.base + self.sent as u64
    }

    /// Returns the buffer for the bytes of the next stanza, which
    /// [`end_stanza`](Self::end_stanza) must follow.
    #[inline]
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Records that a stanza ends after the bytes added so far.
    #[inline]
    pub(super) fn end_stanza(&mut self, completion: Completion, since: Instant) {
        let end = self.end();
        self.boundaries.push_back(Boundary {
            end,
            since,
            completion,
        });
    }

    /// Returns the completion of the first stanza of which the socket has accepted a part, but not
    /// all.
    pub(super) fn partial(&self) -> Option<&Completion> {
        let boundary = self.boundaries.front()?;
        (self.front < self.position()).then_some(&boundary.completion)
    }

    /// Records that the socket has accepted `count` more bytes.
    ///
    /// Take the stanzas that end within them with [`pop_written`](Self::pop_written), then call
    /// [`compact`](Self::compact).
    #[inline]
    pub(super) fn advance(&mut self, count: usize) {
        self.sent += count;
    }

    /// Returns the completion of the next stanza that the socket has accepted completely.
    #[inline]
    pub(super) fn pop_written(&mut self) -> Option<Completion> {
        let position = self.position();
        let boundary = self
            .boundaries
            .pop_front_if(|boundary| boundary.end <= position)?;
        self.front = boundary.end;
        Some(boundary.completion)
    }

    /// Frees the bytes of stanzas that the socket has accepted.
    #[inline]
    pub(super) fn compact(&mut self) {
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

    /// Empties the buffer for the next stream. Calls `map` with each stanza that was not written
    /// completely, in order, and returns the results.
    pub(super) fn take<T>(
        &mut self,
        mut map: impl FnMut(&[u8], Instant, Completion) -> Option<T>,
    ) -> Vec<T> {
        let Self {
            bytes,
            boundaries,
            base,
            front: mut start,
            ..
        } = std::mem::take(self);
        let mut taken = Vec::with_capacity(boundaries.len());
        for boundary in boundaries {
            let stanza = &bytes[offset(start, base)..offset(boundary.end, base)];
            start = boundary.end;
            taken.extend(map(stanza, boundary.since, boundary.completion));
        }
        taken
    }
}

fn offset(position: u64, base: u64) -> usize {
    // Both positions lie within the buffer, whose length is a `usize`.
    usize::try_from(position - base).unwrap_or(0)
}
