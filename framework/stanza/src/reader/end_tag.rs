//! End tags, and the completion of top-level elements.

use bytes::BytesMut;

use super::header::StanzaDefect;
use super::prolog::StreamState;
use super::search::Search;
use super::{CHUNK, Event, ReadError, Reader, Step, rewrite, tag};

impl Reader {
    /// Handles an end tag.
    #[inline]
    pub(super) fn end_tag(&mut self) -> Result<Step, ReadError> {
        let Some(end) = self.end_tag_end()? else {
            return Ok(Step::NeedMore);
        };
        let start = std::mem::replace(&mut self.at, end);
        if self.skipped > 0 {
            self.skipped -= 1;
            return Ok(Step::Continue);
        }
        match self.scope.depth() {
            1 => {
                self.scope.close();
                self.state = StreamState::Closed;
                return Ok(Step::Event(Event::Close));
            }
            2 => return self.finish(start, end),
            depth => {
                self.scope.close();
                if let Some(partial) = self
                    .partial
                    .as_mut()
                    .filter(|partial| depth == 3 && partial.rejected.is_none())
                {
                    partial.close_child(end);
                }
            }
        }
        Ok(Step::Continue)
    }

    /// Returns the end of the end tag that starts at `at`, which must match the innermost element.
    fn end_tag_end(&mut self) -> Result<Option<usize>, ReadError> {
        const MISMATCHED: ReadError = ReadError::NotWellFormed("mismatched end tag");
        let rest = &self.buffer[self.at..];
        let wanted = self.scope.name();
        if self.scope.depth() == 0 {
            return Err(MISMATCHED);
        }
        let plain = rest[2..]
            .strip_prefix(wanted)
            .is_some_and(|rest| rest.starts_with(b">"));
        if plain && self.skipped == 0 {
            self.search = Search::default();
            let length = self
                .bounds
                .check_tag(Some(wanted.len() + "</>".len()), rest)?;
            return Ok(length.map(|length| self.at + length));
        }
        let Some(length) = self.bounds.check_tag(self.search.end_tag(rest), rest)? else {
            return Ok(None);
        };
        let name = tag::end_name(&rest[..length]);
        if self.skipped > 0 || name != wanted {
            tag::check_name(name)?;
        }
        if self.skipped == 0 && name != wanted {
            Err(MISMATCHED)
        } else {
            Ok(Some(self.at + length))
        }
    }

    /// Completes a top-level element whose children end at `inner_end`.
    #[inline]
    pub(super) fn finish(&mut self, inner_end: usize, end: usize) -> Result<Step, ReadError> {
        let Some(mut partial) = self.partial.take() else {
            return Ok(Step::Continue);
        };
        if end > self.bounds.max_stanza {
            partial.rejected.get_or_insert(StanzaDefect::TooLarge);
        }
        let mut rewritten = None;
        if partial.rewrite && partial.rejected.is_none() {
            let inner = std::str::from_utf8(&self.buffer[partial.inner(inner_end)])
                .map_err(|_| ReadError::Encoding)?;
            rewritten = rewrite::rewrite(inner, &self.scope, 2 * self.bounds.max_stanza);
            if rewritten.is_none() {
                partial.rejected = Some(StanzaDefect::TooLarge);
            }
        }
        self.scope.close();
        self.at = 0;
        let whole = self.take(end);
        Ok(partial
            .finish(whole, inner_end, rewritten)
            .map_or(Step::Continue, Step::Event))
    }

    /// Splits off the first bytes, which the application may keep for a long time.
    ///
    /// They share the buffer's memory, unless it has grown for a large stanza. Otherwise each of
    /// the small stanzas after it would keep the large buffer alive, a thousand times its own size.
    fn take(&mut self, length: usize) -> BytesMut {
        let taken = self.buffer.split_to(length);
        self.chunk.last_stanza(length);
        self.grown |= length > CHUNK;
        if !self.grown {
            return if self.chunk.is_too_large_for(length) {
                BytesMut::from(&taken[..])
            } else {
                taken
            };
        }
        if self.buffer.len() <= CHUNK {
            self.buffer = BytesMut::from(&self.buffer[..]);
            self.grown = false;
        }
        BytesMut::from(&taken[..])
    }
}
