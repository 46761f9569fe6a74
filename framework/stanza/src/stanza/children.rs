//! The child elements of a stanza: raw bytes, and the span of each element within them.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use minidom::Element;
use smallvec::SmallVec;
use xso::fromxml::XmlNameMatcher;

use super::read_payload::ReadPayload;
use super::write_payload::WritePayload;
use super::{ParseError, WriteError};
use crate::xml::emit::{EmitError, Emitter};
use crate::xml::tokens::{self, StartTag, Token, Tokens};
use crate::xml::{CLIENT, XML, chars, escape};

/// The child elements of a stanza, in document order.
///
/// The elements are kept as raw, well-formed XML, and parsed on demand. They come from the
/// [reader](crate::reader::Reader) or from a serialized value, never from an unchecked string.
/// Cloning does not copy the bytes, which are reference counted.
///
/// ```
/// use campanile_stanza::stanza::Children;
/// use xmpp_parsers::ping::Ping;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let children = Children::of(&Ping)?;
/// let child = children.first().expect("one child");
/// assert!(child.is("urn:xmpp:ping", "ping"));
/// assert_eq!(child.as_str(), "<ping xmlns='urn:xmpp:ping'/>");
/// let _: Ping = child.parse()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Children {
    bytes: Bytes,
    marks: ChildSpans,
}

pub(crate) type ChildSpans = SmallVec<[ChildSpan; 3]>;

/// The position of one child within the bytes of all children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChildSpan {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The range of the local name, relative to `start`.
    pub(crate) name: (u32, u32),
    pub(crate) namespace: NamespaceSource,
}

/// The place where the namespace of a child is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamespaceSource {
    /// Not declared: the child inherits `jabber:client`.
    Inherited,
    /// The child has the prefix `xml`.
    Xml,
    /// The value of an attribute, at this range of bytes.
    At(u32, u32),
}

impl NamespaceSource {
    /// Adjusts the range to bytes that start elsewhere.
    fn moved(self, by: impl Fn(u32) -> u32) -> Self {
        match self {
            Self::At(from, to) => Self::At(by(from), by(to)),
            written => written,
        }
    }
}

impl Children {
    /// Creates an empty list of children.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn from_parts(bytes: Bytes, marks: ChildSpans) -> Self {
        Self { bytes, marks }
    }

    /// Serializes a payload as the only child.
    ///
    /// # Errors
    /// Returns a [`WriteError`] if the value cannot be serialized as XML.
    pub fn of<P: WritePayload>(payload: &P) -> Result<Self, WriteError> {
        let mut children = ChildrenBuilder::default();
        children.push(payload)?;
        Ok(children.finish())
    }

    /// Returns the number of child elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Returns `true` if there is no child element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Returns an iterator over the child elements, in document order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Child<'_>> + Clone {
        self.marks.iter().map(|mark| Child {
            bytes: &self.bytes,
            mark,
        })
    }

    /// Returns the first child, which is the payload of an IQ request.
    #[must_use]
    pub fn first(&self) -> Option<Child<'_>> {
        self.iter().next()
    }

    /// Returns the first child with the given namespace and local name.
    #[must_use]
    pub fn find(&self, namespace: &str, name: &str) -> Option<Child<'_>> {
        self.iter().find(|child| child.is(namespace, name))
    }

    /// Returns the raw XML of all children, including text between them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the character data between the children, with references resolved.
    pub fn text(&self) -> Cow<'_, str> {
        text_at(std::str::from_utf8(&self.bytes).unwrap_or_default(), 0)
    }

    /// Copies the bytes, so that they no longer keep a much larger receive buffer alive.
    pub fn detach(&mut self) {
        self.bytes = Bytes::copy_from_slice(&self.bytes);
    }
}

impl fmt::Debug for Children {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}

/// One child element of a stanza, as raw XML.
///
/// Names and text can be read without parsing the element; [`parse`](Self::parse) converts it into
/// a type.
#[derive(Clone, Copy)]
pub struct Child<'a> {
    bytes: &'a Bytes,
    mark: &'a ChildSpan,
}

impl<'a> Child<'a> {
    /// Returns the local name of the element.
    #[must_use]
    pub fn name(&self) -> &'a str {
        text(self.name_bytes())
    }

    fn name_bytes(&self) -> &'a [u8] {
        let start = self.mark.start as usize;
        self.slice(
            start + self.mark.name.0 as usize,
            start + self.mark.name.1 as usize,
        )
    }

    /// Returns the namespace of the element.
    #[must_use]
    pub fn namespace(&self) -> Cow<'a, str> {
        match self.mark.namespace {
            NamespaceSource::Inherited => Cow::Borrowed(CLIENT),
            NamespaceSource::Xml => Cow::Borrowed(XML),
            NamespaceSource::At(from, to) => {
                escape::unescape_attribute(text(self.slice(from as usize, to as usize)))
            }
        }
    }

    /// Returns `true` if the element has the given namespace and local name.
    #[must_use]
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        // Called for each child of each stanza: bytes are compared without another look at their
        // encoding.
        self.name_bytes() == name.as_bytes() && self.is_in(namespace)
    }

    /// Returns `true` if the element is in the namespace.
    fn is_in(&self, namespace: &str) -> bool {
        if let NamespaceSource::At(from, to) = self.mark.namespace {
            let written = self.slice(from as usize, to as usize);
            if written == namespace.as_bytes() && chars::is_plain(namespace) {
                return true;
            }
        }
        self.namespace() == namespace
    }

    /// Returns `true` if a type with this matcher may parse the element.
    pub(super) fn may_be(&self, matcher: &XmlNameMatcher<'_>) -> bool {
        match matcher {
            XmlNameMatcher::Any => true,
            XmlNameMatcher::InNamespace(namespace) => self.is_in(namespace),
            XmlNameMatcher::Specific(namespace, name) => self.is(namespace, name),
        }
    }

    /// Returns the value of an attribute, with references resolved.
    ///
    /// `name` is compared with the name as written, including a prefix: `node`, `xml:lang`.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Cow<'a, str>> {
        let Some(Token::Start(StartTag { attributes, .. })) = Tokens::new(self.as_str()).next()
        else {
            return None;
        };
        let (_, value) = tokens::attributes(attributes).find(|(other, _)| *other == name)?;
        Some(escape::unescape_attribute(value))
    }

    /// Returns the raw XML of the element.
    ///
    /// It may rely on `jabber:client` being the default namespace of its parent.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        &self.bytes[self.mark.start as usize..self.mark.end as usize]
    }

    /// Returns the raw XML of the element as a string; see [`as_bytes`](Self::as_bytes).
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        text(self.slice(self.mark.start as usize, self.mark.end as usize))
    }

    /// Returns the character data directly in the element, with references resolved.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        text_at(self.as_str(), 1)
    }

    /// Parses the element into a type.
    ///
    /// # Errors
    /// Returns an error for which [`ParseError::is_absent`] is `true` if the namespace or the name
    /// is not that of `P`, and the parse error if the element is invalid.
    pub fn parse<P: ReadPayload>(&self) -> Result<P, ParseError> {
        if self.may_be(&P::matcher()) {
            self.read(None)
        } else {
            Err(ParseError::absent())
        }
    }

    /// Parses the element, whose names match, within a stanza in the language `lang`.
    pub(super) fn read<P: ReadPayload>(&self, lang: Option<&str>) -> Result<P, ParseError> {
        P::read_checked(self.as_str(), lang)
    }

    /// Converts the element into a `minidom` tree.
    ///
    /// # Errors
    /// Does not fail for children that the reader has parsed, unless `minidom` has a limit that
    /// they exceed.
    pub fn element(&self) -> Result<Element, ParseError> {
        self.parse()
    }

    /// Returns a list with this child only, sharing its bytes.
    #[must_use]
    pub fn to_children(&self) -> Children {
        let shift = self.mark.start;
        let mark = ChildSpan {
            start: 0,
            end: self.mark.end - shift,
            name: self.mark.name,
            namespace: self.mark.namespace.moved(|at| at - shift),
        };
        let bytes = self.bytes.slice(shift as usize..self.mark.end as usize);
        Children::from_parts(bytes, SmallVec::from_slice(&[mark]))
    }

    fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        // Spans are made together with the bytes, so the fallback is never used.
        self.bytes.get(from..to).unwrap_or_default()
    }
}

/// Returns bytes as text.
fn text(bytes: &[u8]) -> &str {
    // The reader has checked the encoding, and spans start and end at tag boundaries, so the
    // fallback is never used.
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl fmt::Debug for Child<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Builds [`Children`] from serialized values.
#[derive(Debug, Default)]
pub struct ChildrenBuilder {
    out: Vec<u8>,
    marks: ChildSpans,
}

impl ChildrenBuilder {
    /// Appends one typed child.
    ///
    /// # Errors
    /// Returns [`WriteError`] if the value cannot be written as XML; nothing is appended then.
    pub fn push<P: WritePayload>(&mut self, payload: &P) -> Result<(), WriteError> {
        self.push_with(|emitter| payload.write(emitter))
    }

    /// Appends a copy of all `children`.
    pub fn push_children(&mut self, children: &Children) {
        let base = length(self.out.len());
        self.out.extend_from_slice(&children.bytes);
        self.marks
            .extend(children.marks.iter().map(|mark| ChildSpan {
                start: mark.start + base,
                end: mark.end + base,
                name: mark.name,
                namespace: mark.namespace.moved(|at| at + base),
            }));
    }

    /// Appends text between the children.
    ///
    /// # Errors
    /// Returns [`WriteError::Character`] if the text contains a character that XML 1.0 does not
    /// allow.
    pub fn push_character_data(&mut self, text: &str) -> Result<(), WriteError> {
        if let Some(c) = chars::forbidden(text) {
            return Err(WriteError::Character(c));
        }
        escape::push_text(&mut self.out, text);
        Ok(())
    }

    /// Appends an element with text content.
    ///
    /// # Errors
    /// Returns [`WriteError`] if the name, the namespace or the text cannot be written as XML;
    /// nothing is appended then.
    pub fn push_text(&mut self, namespace: &str, name: &str, text: &str) -> Result<(), WriteError> {
        let start = self.out.len();
        let mut emitter = self.emitter(text.len());
        let written = emitter
            .start(namespace, name)
            .and_then(|()| emitter.text(text));
        emitter.end();
        self.close(start, written)
    }

    /// Appends the one element that `write` emits.
    ///
    /// # Errors
    /// Returns the error of `write`, or [`WriteError::Value`] if it did not emit one whole element;
    /// nothing is appended then.
    pub fn push_with(
        &mut self,
        write: impl FnOnce(&mut Emitter<'_>) -> Result<(), EmitError>,
    ) -> Result<(), WriteError> {
        let start = self.out.len();
        let mut emitter = self.emitter(0);
        let written = write(&mut emitter).and_then(|()| emitter.finish());
        self.close(start, written)
    }

    /// Returns the children.
    #[must_use]
    pub fn finish(self) -> Children {
        Children::from_parts(Bytes::from(self.out), self.marks)
    }

    /// Returns an emitter for a child, with room for it and `length` bytes of text if it is not
    /// large.
    fn emitter(&mut self, length: usize) -> Emitter<'_> {
        const MARKUP: usize = 128;
        if self.out.capacity() == 0 {
            self.out.reserve(MARKUP + length);
        }
        Emitter::new(&mut self.out, CLIENT)
    }

    fn close(&mut self, start: usize, written: Result<(), EmitError>) -> Result<(), WriteError> {
        if let Err(error) = written {
            self.out.truncate(start);
            return Err(error.into());
        }
        self.marks.extend(mark(&self.out, start));
        Ok(())
    }
}

/// Returns the character data at the given depth, which is the number of open elements.
fn text_at(checked: &str, wanted: usize) -> Cow<'_, str> {
    let mut depth = 0usize;
    let mut text = Cow::Borrowed("");
    for token in Tokens::new(checked) {
        match token {
            Token::Start(StartTag { empty: false, .. }) => depth += 1,
            Token::End => depth -= 1,
            Token::Text(raw) if depth == wanted => {
                escape::append(&mut text, escape::unescape_text(raw));
            }
            Token::Cdata(raw) if depth == wanted => escape::append(&mut text, Cow::Borrowed(raw)),
            _ => {}
        }
    }
    text
}

/// Locates the name and the namespace of an element that the emitter wrote.
fn mark(out: &[u8], start: usize) -> Option<ChildSpan> {
    let element = &out[start..];
    let name_end = element
        .iter()
        .position(|b| matches!(b, b' ' | b'/' | b'>'))?;
    // The emitter writes a changed namespace as the first attribute, in single quotes.
    let declared = element[name_end..]
        .strip_prefix(b" xmlns='")
        .and_then(|value| {
            let from = start + name_end + " xmlns='".len();
            let to = from + memchr::memchr(b'\'', value)?;
            Some(NamespaceSource::At(length(from), length(to)))
        });
    // It writes no prefix other than `xml`.
    let (name_start, namespace) = match element.strip_prefix(b"<xml:") {
        Some(_) => ("<xml:".len(), NamespaceSource::Xml),
        None => ("<".len(), declared.unwrap_or(NamespaceSource::Inherited)),
    };
    let name = (length(name_start), length(name_end));
    Some(ChildSpan {
        start: length(start),
        end: length(out.len()),
        name,
        namespace,
    })
}

/// Converts an offset. Reader and writer limit stanzas to far less than 4 GiB.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_child_has_name_and_namespace() {
        let ping = Children::of(&xmpp_parsers::ping::Ping).unwrap();
        let child = ping.first().unwrap();
        assert_eq!(
            (child.name(), &*child.namespace()),
            ("ping", "urn:xmpp:ping")
        );
        assert_eq!(child.as_str(), "<ping xmlns='urn:xmpp:ping'/>");
        child.parse::<xmpp_parsers::ping::Ping>().unwrap();
    }

    #[test]
    fn to_children_extracts_one_child() {
        let mut builder = ChildrenBuilder::default();
        builder.push_text(CLIENT, "body", "a & b").unwrap();
        builder.push(&xmpp_parsers::ping::Ping).unwrap();
        let children = builder.finish();
        let ping = children
            .find("urn:xmpp:ping", "ping")
            .unwrap()
            .to_children();
        assert_eq!(ping.as_bytes(), b"<ping xmlns='urn:xmpp:ping'/>");
        assert!(ping.first().unwrap().is("urn:xmpp:ping", "ping"));
        assert!(children.first().unwrap().is(CLIENT, "body"));
    }

    #[test]
    fn attribute_is_read_without_parsing() {
        let element: Element = "<q xmlns='urn:x' node='a &amp; b' xml:lang='de'><r at='1'/></q>"
            .parse()
            .unwrap();
        let children = Children::of(&element).unwrap();
        let child = children.first().unwrap();
        assert_eq!(child.attribute("node").as_deref(), Some("a & b"));
        assert_eq!(child.attribute("xml:lang").as_deref(), Some("de"));
        assert_eq!(child.attribute("at"), None);
    }

    #[test]
    fn failed_push_leaves_no_bytes() {
        let mut builder = ChildrenBuilder::default();
        assert!(builder.push_text(CLIENT, "body", "\u{1}").is_err());
        assert!(builder.finish().is_empty());
    }
}
