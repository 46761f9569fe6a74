//! From bytes to stanzas: incremental, in one pass, refusing all that is not namespace-well-formed
//! XML 1.0.
//!
//! A pull parser from elsewhere would have to be checked byte by byte again (names, characters,
//! `]]>`, duplicate attributes, undeclared prefixes), and would not say where a stanza ends. So
//! this one looks at each byte once: a tag is taken apart when its `>` is there, text is judged as
//! it arrives. Into which pieces the bytes were split on their way makes no difference.

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

/// Namespace of the stream element and of stream errors (RFC 6120 §4.8.1).
pub const STREAMS: &str = "http://etherx.jabber.org/streams";
/// The content namespace of a component's stream (XEP-0114 §3).
pub const COMPONENT: &str = "jabber:component:accept";

/// Free room offered to the socket at least; a whole chunk when a new one is needed.
const CHUNK: usize = 16 * 1024;
/// No stanza is larger, whatever the bounds: offsets within one have 32 bits.
const MAX_STANZA: usize = 1 << 30;

/// Bounds of the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderLimits {
    /// Largest stanza taken, in bytes. A larger one is refused alone; only one *tag* of that size
    /// ends the stream.
    pub max_stanza: usize,
    /// Deepest nesting taken, the stanza itself being 1.
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

/// What the reader found.
#[derive(Debug)]
pub enum Event {
    /// The stream header.
    Open(StreamHeader),
    /// A stanza.
    Stanza(Stanza),
    /// A stanza that is well-formed and still not taken. The stream goes on behind it.
    Rejected(RejectedStanza),
    /// Any other element at the top of the stream.
    Element(StreamElement),
    /// The end of the stream.
    Close,
}

/// An element at the top of the stream that is no stanza: `<handshake/>`, `<stream:error/>` or
/// unknown.
#[derive(Debug)]
pub struct StreamElement {
    /// Namespace of the element.
    pub namespace: String,
    /// Local name of the element.
    pub name: String,
    /// What it holds.
    pub children: Children,
    /// Its attributes without prefix.
    attributes: Vec<(String, String)>,
}

impl StreamElement {
    /// The value of an attribute without prefix.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// The character data directly in the element, references resolved.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        self.children.text()
    }
}

/// The incremental reader of one stream.
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
    /// The buffer has grown beyond what a chunk needs.
    grown: bool,
    /// Where the piece that is being looked at begins. Inside a stanza, the stanza begins at 0.
    at: usize,
    /// For the end of the tag that begins at `at`, while that is not there yet.
    search: Search,
    cdata: bool,
    state: StreamState,
    scope: Scope,
    tag: Tag,
    partial: Option<PartialElement>,
    /// Open elements that are only counted, because the bounds do not let them be kept.
    skipped: usize,
}

/// What one piece of the stream has led to.
#[allow(
    clippy::large_enum_variant,
    reason = "it lives for one turn of the loop"
)]
enum Step {
    /// More bytes are needed.
    NeedMore,
    /// The next piece can be looked at.
    Continue,
    Event(Event),
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(ReaderLimits::default())
    }
}

impl Reader {
    /// A reader at the start of a stream.
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

    /// Where bytes from the peer are appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < CHUNK / 4 {
            self.buffer.reserve(CHUNK);
        }
        &mut self.buffer
    }

    /// The next event that the bytes so far give, or `None` until there are more.
    ///
    /// # Errors
    /// When the stream cannot go on. The reader must not be asked again.
    #[allow(
        clippy::should_implement_trait,
        reason = "it fails, and it goes on after `None`"
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

    /// Bytes of a stanza that has not ended yet: 0 between stanzas.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    fn ignore_rest(&mut self) -> Step {
        self.at = self.buffer.len();
        Step::NeedMore
    }

    /// Lets go of bytes that nobody needs any more, and gives up a stanza that has become too
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

    /// `<![CDATA[`, or what RFC 6120 §11.1 forbids.
    fn section(&mut self) -> Result<Step, ReadError> {
        const CDATA: &[u8] = b"<![CDATA[";
        const COMMENT: &[u8] = b"<!--";
        const DOCTYPE: &[u8] = b"<!DOCTYPE";
        let rest = &self.buffer[self.at..];
        if rest.starts_with(COMMENT) {
            return Err(ReadError::Restricted("a comment"));
        }
        if rest.starts_with(DOCTYPE) {
            return Err(ReadError::Restricted("a document type"));
        }
        if rest.starts_with(CDATA) && self.scope.depth() > 0 {
            if let Some(partial) = &mut self.partial {
                partial.rewrite = true;
            }
            self.cdata = true;
            self.at += CDATA.len();
            return Ok(Step::Continue);
        }
        let begins = |wanted: &[u8]| rest.len() < wanted.len() && wanted.starts_with(rest);
        if begins(COMMENT) || begins(DOCTYPE) || begins(CDATA) {
            return Ok(Step::NeedMore);
        }
        Err(ReadError::NotWellFormed("markup that XML does not know"))
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
            // A fault is told when the tag is complete, however much of the tag shows it.
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
        // The stanza begins at 0 from here on.
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

    /// Where the end tag that begins at `at` ends. It must be that of the innermost element.
    fn end_tag_end(&mut self) -> Result<Option<usize>, ReadError> {
        const MISMATCHED: ReadError = ReadError::NotWellFormed("a mismatched end tag");
        let rest = &self.buffer[self.at..];
        let wanted = self.scope.name();
        if self.scope.depth() == 0 {
            return Err(MISMATCHED);
        }
        let plain = rest[2..]
            .strip_prefix(wanted)
            .is_some_and(|behind| behind.starts_with(b">"));
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

    /// A top-level element is complete: its children end at `inner_end`.
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

    /// Cuts off the first bytes, which somebody may hold on to for long.
    ///
    /// They share the buffer's memory, unless that has grown for a large stanza: kept alive by each
    /// of the small ones behind it, it could be a thousand times what these weigh.
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

/// Holds a tag, of which `found` is the length when its end is there, against the bound on its
/// size.
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

/// Counts bytes looked at, for the test that no byte is looked at again and again.
#[cfg(not(test))]
fn count_scanned(_bytes: usize) {}

#[cfg(test)]
fn count_scanned(bytes: usize) {
    tests::SCANNED.with(|count| count.set(count.get() + bytes));
}

#[cfg(test)]
mod tests;
