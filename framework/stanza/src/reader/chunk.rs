//! The size of the pieces in which the receive buffer is allocated.

use bytes::BytesMut;

/// The capacity that the buffer grows by while little is received at a time. At least a quarter of
/// it is offered to each read.
pub(super) const CHUNK: usize = 16 * 1024;
/// The capacity that the buffer grows by while large stanzas fill what each read is offered.
///
/// With three stanzas per system call, the calls cost more than the stanzas. A stanza that is kept
/// keeps its chunk alive, so this is no larger than pays: with 64 KiB, no more stanzas of 4 KiB are
/// echoed.
const MAX_CHUNK: usize = 32 * 1024;
/// The length from which on a stanza is worth a larger chunk, and may keep one alive. A chunk of
/// the usual size holds enough of the smaller ones.
const LARGE_STANZA: usize = 1024;

/// The current size, which follows the amount that is received at a time.
#[derive(Debug)]
pub(super) struct Chunk {
    size: usize,
    /// The length and the capacity of the buffer when it was last offered to a read.
    offered: Option<(usize, usize)>,
    last_stanza: usize,
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            size: CHUNK,
            offered: None,
            last_stanza: 0,
        }
    }
}

impl Chunk {
    /// Makes room for a read.
    pub(super) fn offer(&mut self, buffer: &mut BytesMut) {
        if buffer.capacity() - buffer.len() < self.size / 4 {
            buffer.reserve(self.size);
        }
        self.offered = Some((buffer.len(), buffer.capacity()));
    }

    /// Records the length of a stanza.
    #[inline]
    pub(super) fn last_stanza(&mut self, length: usize) {
        self.last_stanza = length;
    }

    /// Returns `true` if a stanza of this length must not keep a chunk of this size alive.
    #[inline]
    pub(super) fn is_too_large_for(&self, length: usize) -> bool {
        self.size > CHUNK && length < LARGE_STANZA
    }

    /// Records the length of the buffer after a read.
    #[inline]
    pub(super) fn received(&mut self, length: usize) {
        if let Some((before, capacity)) = self.offered.take() {
            if length >= capacity && self.last_stanza >= LARGE_STANZA {
                self.size = (self.size * 2).min(MAX_CHUNK);
            } else if length.saturating_sub(before) < self.size / 8 {
                self.size = (self.size / 2).max(CHUNK);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunk: &mut Chunk, bytes: usize) -> usize {
        let mut buffer = BytesMut::new();
        chunk.offer(&mut buffer);
        let count = bytes.min(buffer.capacity());
        chunk.received(count);
        buffer.capacity()
    }

    #[test]
    fn chunk_follows_what_is_received() {
        let mut chunk = Chunk::default();
        chunk.last_stanza(LARGE_STANZA);
        assert_eq!(read(&mut chunk, usize::MAX), CHUNK);
        assert_eq!(read(&mut chunk, usize::MAX), 2 * CHUNK);
        for _ in 0..5 {
            read(&mut chunk, usize::MAX);
        }
        assert_eq!(read(&mut chunk, MAX_CHUNK / 2), MAX_CHUNK);
        for _ in 0..5 {
            read(&mut chunk, 100);
        }
        assert_eq!(read(&mut chunk, 100), CHUNK);
    }

    #[test]
    fn buffer_that_was_emptied_instead_of_filled_is_no_read() {
        let mut chunk = Chunk::default();
        let mut buffer = BytesMut::from("<message>");
        chunk.offer(&mut buffer);
        chunk.received(0);
        assert_eq!(read(&mut chunk, 100), CHUNK);
    }

    #[test]
    fn small_stanzas_do_not_make_it_larger_nor_keep_it() {
        let mut chunk = Chunk::default();
        chunk.last_stanza(LARGE_STANZA - 1);
        read(&mut chunk, usize::MAX);
        assert_eq!(read(&mut chunk, usize::MAX), CHUNK);
        assert!(!chunk.is_too_large_for(100));
        chunk.last_stanza(LARGE_STANZA);
        read(&mut chunk, usize::MAX);
        assert!(chunk.is_too_large_for(100));
        assert!(!chunk.is_too_large_for(LARGE_STANZA));
    }
}
