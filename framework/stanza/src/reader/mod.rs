//! An incremental reader for XMPP streams: bytes in, stanzas out.
//!
//! Append received bytes to [`Reader::buffer`], in whatever pieces they arrive, and call
//! [`Reader::next`] until it returns `None`. The reader yields the stream header, stanzas, other
//! top-level elements and the end of the stream as [`Event`]s.
//!
//! # Validation
//!
//! The reader accepts namespace-well-formed XML 1.0 only: names, characters, references, `]]>`,
//! duplicate attributes, undeclared prefixes and matching tags. It rejects comments, processing
//! instructions and document types (RFC 6120 §11.1) and every encoding but UTF-8 (§11.6). A
//! violation is a [`ReadError`] with the stream error condition of RFC 6120; the stream cannot
//! continue after it.
//!
//! A well-formed stanza that breaks a rule of RFC 6120, or exceeds [`ReaderLimits`], is an
//! [`Event::Rejected`] with its addresses and id, so that it can be answered. The stream continues
//! after it.
//!
//! # Memory
//!
//! The children of a stanza are a slice of the receive buffer, with the position of each child
//! element; they are not parsed until a type is asked for: see [`Stanza`]. Children are copied only
//! if they must be rewritten, or if the buffer has grown for a large stanza, which a small one must
//! not keep alive. An oversized stanza is discarded while it arrives.
//!
//! # Design
//!
//! A general pull parser would not report where a stanza ends in the byte stream, and its checks
//! would have to be repeated here. This reader scans each byte once: a tag is parsed when its `>`
//! has arrived, text is checked as it arrives. The result does not depend on how the bytes were
//! split.

mod element;
mod error;
mod header;
mod namespaces;
mod partial;
mod prolog;
mod rewrite;
mod scope;
mod search;
mod tag;
mod text;

use std::borrow::Cow;

use bytes::{Buf, BytesMut};

pub use self::element::{ElementError, read_element};
pub use self::error::ReadError;
pub use self::header::{RejectedStanza, StanzaDefect, StreamHeader};
use self::partial::PartialElement;
use self::prolog::StreamState;
use self::scope::Scope;
use self::search::Search;
use self::tag::Tag;
use crate::stanza::{Children, Stanza};

/// The namespace of the stream element and of stream errors (RFC 6120 §4.8.1).
pub const STREAMS: &str = "http://etherx.jabber.org/streams";
/// The content namespace of a component's stream (XEP-0114 §3).
pub const COMPONENT: &str = "jabber:component:accept";

/// The capacity that the buffer grows by. At least a quarter of it is offered to each read.
const CHUNK: usize = 16 * 1024;
/// The upper limit of `max_stanza`, because offsets within a stanza have 32 bits.
const MAX_STANZA: usize = 1 << 30;

/// Limits on the stanzas that a [`Reader`] accepts.
///
/// Two further limits are fixed: 128 attributes per element, and 256 namespace bindings in scope,
/// including those of the stream header. A stanza that exceeds them is rejected with
/// [`StanzaDefect::TooDeep`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderLimits {
    /// The maximum size of a stanza, in bytes. The default is 1 MiB, the upper limit 1 GiB.
    ///
    /// A larger stanza is [rejected](Event::Rejected), and the stream continues. A single *tag*
    /// larger than this is [`ReadError::TagTooLarge`], which ends the stream.
    pub max_stanza: usize,
    /// The maximum nesting depth, where the stanza itself has depth 1. The default is 64.
    ///
    /// A deeper stanza is [rejected](Event::Rejected), and the stream continues.
    pub max_depth: usize,
}

impl Default for ReaderLimits {
    fn default() -> Self {
        Self {
            max_stanza: 1024 * 1024,
            max_depth: 64,
        }
    }
}

/// An event of the stream, returned by [`Reader::next`].
#[derive(Debug)]
pub enum Event {
    /// The stream header.
    Open(StreamHeader),
    /// A valid stanza.
    Stanza(Stanza),
    /// A well-formed stanza that breaks a rule of RFC 6120 or exceeds the limits. The stream
    /// continues after it.
    Rejected(RejectedStanza),
    /// A top-level element that is not a stanza.
    Element(StreamElement),
    /// The end of the stream: the closing tag. Bytes after it are ignored.
    Close,
}

/// A top-level element that is not a stanza, such as `<handshake/>` or `<stream:error/>`.
#[derive(Debug)]
pub struct StreamElement {
    /// The namespace of the element.
    pub namespace: String,
    /// The local name of the element.
    pub name: String,
    /// The child elements.
    pub children: Children,
    /// The attributes without a prefix.
    attributes: Vec<(String, String)>,
}

impl StreamElement {
    /// Returns the value of an attribute without a prefix.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the character data directly in the element, with references resolved.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        self.children.text()
    }
}

/// An incremental reader of one XMPP stream.
///
/// Append received bytes to [`buffer`](Self::buffer), then call [`next`](Self::next) until it
/// returns `None`.
///
/// ```
/// use campanile_stanza::reader::{Event, Reader};
///
/// let mut reader = Reader::default();
/// reader.buffer().extend_from_slice(b"<stream:stream xmlns='jabber:component:accept' \
///     xmlns:stream='http://etherx.jabber.org/streams' id='1'><message from='a@x' to='b.x'><bo");
/// assert!(matches!(reader.next()?, Some(Event::Open(header)) if header.id == "1"));
/// assert!(reader.next()?.is_none());
/// reader.buffer().extend_from_slice(b"dy>hi</body></message>");
/// assert!(matches!(reader.next()?, Some(Event::Stanza(_))));
/// # Ok::<_, campanile_stanza::reader::ReadError>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    bounds: ReaderLimits,
    buffer: BytesMut,
    /// The buffer has grown for a stanza larger than a chunk.
    grown: bool,
    /// The start of the unprocessed bytes. Inside a stanza, the stanza starts at 0.
    at: usize,
    /// The search for the end of the incomplete tag that starts at `at`.
    search: Search,
    cdata: bool,
    state: StreamState,
    scope: Scope,
    tag: Tag,
    partial: Option<PartialElement>,
    /// The number of open elements that exceed the limits, which are counted but not kept.
    skipped: usize,
}

/// The result of processing one tag, section or run of text.
#[allow(
    clippy::large_enum_variant,
    reason = "it lives for one iteration of the loop"
)]
enum Step {
    /// More bytes are needed.
    NeedMore,
    /// Processing can continue with the next bytes.
    Continue,
    Event(Event),
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(ReaderLimits::default())
    }
}

impl Reader {
    /// Creates a reader at the start of a stream.
    ///
    /// A `max_stanza` of more than 1 GiB is reduced to 1 GiB.
    #[must_use]
    pub fn new(bounds: ReaderLimits) -> Self {
        Self {
            bounds: ReaderLimits {
                max_stanza: bounds.max_stanza.min(MAX_STANZA),
                ..bounds
            },
            buffer: BytesMut::new(),
            grown: false,
            at: 0,
            search: Search::default(),
            cdata: false,
            state: StreamState::Start,
            scope: Scope::default(),
            tag: Tag::default(),
            partial: None,
            skipped: 0,
        }
    }

    /// Returns the buffer to which received bytes are appended.
    ///
    /// It has at least 4 KiB of free capacity, so that it can be passed to a read call.
    pub fn buffer(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < CHUNK / 4 {
            self.buffer.reserve(CHUNK);
        }
        &mut self.buffer
    }

    /// Returns the next event, or `None` until more bytes have been appended.
    ///
    /// # Errors
    /// Returns a [`ReadError`] if the bytes are not a valid stream. Do not use the reader after an
    /// error.
    #[allow(
        clippy::should_implement_trait,
        reason = "it returns a `Result`, and continues after `None`"
    )]
    pub fn next(&mut self) -> Result<Option<Event>, ReadError> {
        if self.state == StreamState::Ending {
            self.state = StreamState::Closed;
            return Ok(Some(Event::Close));
        }
        loop {
            let Some(&first) = self.buffer.get(self.at) else {
                return Ok(None);
            };
            let step = match first {
                _ if self.state == StreamState::Closed => self.ignore_rest(),
                b'<' if !self.cdata => self.markup()?,
                _ => self.text()?,
            };
            match step {
                Step::NeedMore => {
                    self.forget();
                    return Ok(None);
                }
                Step::Continue => self.forget(),
                Step::Event(event) => return Ok(Some(event)),
            }
        }
    }

    /// Returns the number of bytes buffered for an incomplete stanza, which is 0 between stanzas.
    ///
    /// Call it after [`next`](Self::next) has returned `None`, to detect a stanza that has been
    /// incomplete for too long.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    fn ignore_rest(&mut self) -> Step {
        self.at = self.buffer.len();
        Step::NeedMore
    }

    /// Discards processed bytes that are not needed, and rejects a stanza that has become too
    /// large.
    fn forget(&mut self) {
        if let Some(partial) = &mut self.partial {
            if self.at > self.bounds.max_stanza {
                partial.rejected.get_or_insert(StanzaDefect::TooLarge);
            }
            if partial.rejected.is_none() {
                return;
            }
        }
        self.buffer.advance(self.at);
        self.at = 0;
    }

    fn text(&mut self) -> Result<Step, ReadError> {
        let rest = &self.buffer[self.at..];
        let found = if self.cdata {
            memchr::memmem::find(rest, b"]]>")
        } else {
            memchr::memchr(b'<', rest)
        };
        let mut end = found.unwrap_or_else(|| text::complete(rest, self.cdata));
        count_scanned(found.unwrap_or(rest.len()));
        if self.state == StreamState::Open {
            let returns = text::check(&rest[..end], self.cdata)?;
            if let Some(partial) = &mut self.partial {
                partial.rewrite |= returns;
            }
        } else {
            (end, self.state) = prolog::text(self.state, &rest[..end])?;
        }
        self.at += end;
        if found.is_some() && self.cdata {
            self.cdata = false;
            self.at += b"]]>".len();
        }
        Ok(if found.is_some() || end > 0 {
            Step::Continue
        } else {
            Step::NeedMore
        })
    }

    fn markup(&mut self) -> Result<Step, ReadError> {
        match self.buffer[self.at..].get(1) {
            None => Ok(Step::NeedMore),
            Some(b'/') => self.end_tag(),
            Some(b'!') => self.section(),
            Some(b'?') => Ok(
                match prolog::declaration(self.state, &self.buffer[self.at..])? {
                    None => Step::NeedMore,
                    Some(length) => {
                        self.state = StreamState::Declared;
                        self.at += length;
                        Step::Continue
                    }
                },
            ),
            Some(_) => self.start_tag(),
        }
    }

    /// Handles `<![CDATA[`, and markup that RFC 6120 §11.1 forbids.
    fn section(&mut self) -> Result<Step, ReadError> {
        const CDATA: &[u8] = b"<![CDATA[";
        const COMMENT: &[u8] = b"<!--";
        const DOCTYPE: &[u8] = b"<!DOCTYPE";
        let rest = &self.buffer[self.at..];
        if rest.starts_with(COMMENT) {
            return Err(ReadError::Restricted("comment"));
        }
        if rest.starts_with(DOCTYPE) {
            return Err(ReadError::Restricted("document type declaration"));
        }
        if rest.starts_with(CDATA) && self.scope.depth() > 0 {
            if let Some(partial) = &mut self.partial {
                partial.rewrite = true;
            }
            self.cdata = true;
            self.at += CDATA.len();
            return Ok(Step::Continue);
        }
        let may_become = |wanted: &[u8]| rest.len() < wanted.len() && wanted.starts_with(rest);
        if may_become(COMMENT) || may_become(DOCTYPE) || may_become(CDATA) {
            return Ok(Step::NeedMore);
        }
        Err(ReadError::NotWellFormed("unknown markup"))
    }

    fn start_tag(&mut self) -> Result<Step, ReadError> {
        let rest = &self.buffer[self.at..];
        if self.search.has_started()
            && within(self.bounds, self.search.start_tag(rest), rest)?.is_none()
        {
            return Ok(Step::NeedMore);
        }
        let parsed = self.tag.parse(rest);
        count_scanned(*parsed.as_ref().unwrap_or(&rest.len()));
        let length = match parsed {
            Ok(length) => within(self.bounds, Some(length), rest)?.unwrap_or(length),
            // Errors are reported when the tag is complete, so that they do not depend on how the
            // bytes were split.
            Err(halt) => {
                return match within(self.bounds, self.search.start_tag(rest), rest)? {
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
        self.partial = Some(PartialElement::open(&self.scope, &self.tag, bytes, length));
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

    fn end_tag(&mut self) -> Result<Step, ReadError> {
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
            let length = within(self.bounds, Some(wanted.len() + "</>".len()), rest)?;
            return Ok(length.map(|length| self.at + length));
        }
        let Some(length) = within(self.bounds, self.search.end_tag(rest), rest)? else {
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
    fn finish(&mut self, inner_end: usize, end: usize) -> Result<Step, ReadError> {
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
        self.grown |= length > CHUNK;
        if !self.grown {
            return taken;
        }
        if self.buffer.len() <= CHUNK {
            self.buffer = BytesMut::from(&self.buffer[..]);
            self.grown = false;
        }
        BytesMut::from(&taken[..])
    }
}

/// Checks the size limit of a tag. `found` is its length, or `None` while it is incomplete.
fn within(
    bounds: ReaderLimits,
    found: Option<usize>,
    rest: &[u8],
) -> Result<Option<usize>, ReadError> {
    if found.unwrap_or(rest.len()) > bounds.max_stanza {
        Err(ReadError::TagTooLarge)
    } else {
        Ok(found)
    }
}

/// Counts scanned bytes, for the test that the work is linear in the size of the stream.
#[cfg(not(test))]
fn count_scanned(_bytes: usize) {}

#[cfg(test)]
fn count_scanned(bytes: usize) {
    tests::SCANNED.with(|count| count.set(count.get() + bytes));
}

#[cfg(test)]
mod tests;
