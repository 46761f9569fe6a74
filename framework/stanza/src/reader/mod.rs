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

mod chunk;
mod element;
mod end_tag;
mod error;
mod header;
mod jid_cache;
mod limits;
mod namespaces;
mod partial;
mod prolog;
mod rewrite;
mod scope;
mod search;
mod start_tag;
mod stream_element;
mod tag;
mod text;

use bytes::{Buf, BytesMut};

use self::chunk::{CHUNK, Chunk};
pub use self::element::{ElementError, read_element};
pub use self::error::ReadError;
pub use self::header::{RejectedStanza, StanzaDefect, StreamHeader};
use self::jid_cache::JidCache;
pub use self::limits::ReaderLimits;
use self::partial::PartialElement;
use self::prolog::StreamState;
use self::scope::Scope;
use self::search::Search;
pub use self::stream_element::StreamElement;
use self::tag::Tag;
use crate::stanza::Stanza;

/// The namespace of the stream element and of stream errors (RFC 6120 §4.8.1).
pub const STREAMS: &str = "http://etherx.jabber.org/streams";
/// The content namespace of a component's stream (XEP-0114 §3).
pub const COMPONENT: &str = "jabber:component:accept";

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
    chunk: Chunk,
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
    jids: JidCache,
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
            bounds: bounds.clamped(),
            buffer: BytesMut::new(),
            chunk: Chunk::default(),
            grown: false,
            at: 0,
            search: Search::default(),
            cdata: false,
            state: StreamState::Start,
            scope: Scope::default(),
            tag: Tag::default(),
            jids: JidCache::default(),
            partial: None,
            skipped: 0,
        }
    }

    /// Returns the buffer to which received bytes are appended.
    ///
    /// It has at least 4 KiB of free capacity, so that it can be passed to a read call.
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.chunk.offer(&mut self.buffer);
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
        self.chunk.received(self.buffer.len());
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
