//! Start tags: of the stream, of a top-level element, and of an element inside one.

use bytes::Buf;

use super::header::{StanzaDefect, StreamHeader};
use super::partial::PartialElement;
use super::prolog::StreamState;
use super::{Event, ReadError, Reader, STREAMS, Step, count_scanned, namespaces};

impl Reader {
    /// Handles a start tag or an empty-element tag.
    #[inline]
    pub(super) fn start_tag(&mut self) -> Result<Step, ReadError> {
        let rest = &self.buffer[self.at..];
        if self.search.has_started()
            && self
                .bounds
                .check_tag(self.search.start_tag(rest), rest)?
                .is_none()
        {
            return Ok(Step::NeedMore);
        }
        let parsed = self.tag.parse(rest);
        count_scanned(*parsed.as_ref().unwrap_or(&rest.len()));
        let length = match parsed {
            Ok(length) => self.bounds.check_tag(Some(length), rest)?.unwrap_or(length),
            // Errors are reported when the tag is complete, so that they do not depend on how the
            // bytes were split.
            Err(halt) => {
                return match self.bounds.check_tag(self.search.start_tag(rest), rest)? {
                    None => Ok(Step::NeedMore),
                    Some(_) => Err(halt.into()),
                };
            }
        };
        match self.scope.depth() {
            0 => self.open_stream(length),
            1 => self.open_top(length),
            _ => self.open_inner(length),
        }
    }

    fn open_stream(&mut self, length: usize) -> Result<Step, ReadError> {
        let bytes = &self.buffer[self.at..self.at + length];
        if self.tag.over_limit {
            return Err(ReadError::TagTooLarge);
        }
        namespaces::open_element(&mut self.scope, &self.tag, bytes)?;
        let namespace = |prefix| {
            self.scope
                .resolve(prefix)
                .map_or(&b""[..], |bound| bound.namespace)
        };
        if namespace(self.tag.name.prefix(bytes)) != STREAMS.as_bytes()
            || self.tag.name.local(bytes) != b"stream"
        {
            return Err(ReadError::NoStream);
        }
        let header = StreamHeader::read(&self.tag, bytes, namespace(b""));
        self.state = if self.tag.empty {
            StreamState::Ending
        } else {
            StreamState::Open
        };
        self.at += length;
        self.forget();
        Ok(Step::Event(Event::Open(header)))
    }

    fn open_top(&mut self, length: usize) -> Result<Step, ReadError> {
        let bytes = &self.buffer[self.at..self.at + length];
        namespaces::open_element(&mut self.scope, &self.tag, bytes)?;
        let jids = &mut self.jids;
        let partial = PartialElement::open(&self.scope, &self.tag, bytes, length, jids);
        self.partial = Some(partial);
        // From here, the stanza starts at 0.
        self.buffer.advance(self.at);
        self.at = length;
        if self.tag.empty {
            self.finish(length, length)
        } else {
            Ok(Step::Continue)
        }
    }

    fn open_inner(&mut self, length: usize) -> Result<Step, ReadError> {
        let Some(partial) = &mut self.partial else {
            return Ok(Step::Continue);
        };
        let bytes = &self.buffer[self.at..self.at + length];
        let depth = self.scope.depth();
        let fits =
            depth <= self.bounds.max_depth && !self.tag.over_limit && !self.scope.is_over_limit();
        if self.skipped > 0 || partial.scope_incomplete || !fits {
            self.skipped += usize::from(!self.tag.empty);
            partial.rejected.get_or_insert(StanzaDefect::TooDeep);
            self.at += length;
            return Ok(Step::Continue);
        }
        partial.rewrite |= namespaces::open_element(&mut self.scope, &self.tag, bytes)?;
        let is_child = depth == 2 && partial.rejected.is_none();
        if is_child {
            partial.open_child(&self.scope, &self.tag, bytes, self.at);
        }
        self.at += length;
        if self.tag.empty {
            self.scope.close();
            if is_child {
                partial.close_child(self.at);
            }
        }
        Ok(Step::Continue)
    }
}
