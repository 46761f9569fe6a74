//! The child elements of a stanza: raw bytes, and where each of them begins.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use minidom::Element;
use smallvec::SmallVec;
use xso::{AsXml, FromXml};

use super::{ParseError, WriteError};
use crate::xml::emit::{EmitError, Emitter};
use crate::xml::tokens::{self, StartTag, Token, Tokens};
use crate::xml::{CLIENT, XML, chars, escape, events};

/// The child elements of a stanza, in the order in which they came.
///
/// The bytes are checked XML: they come from the [reader](crate::reader::Reader) or from a
/// serialised value, never from a caller's string.
#[derive(Clone, Default)]
pub struct Children {
    bytes: Bytes,
    marks: ChildSpans,
}

pub(crate) type ChildSpans = SmallVec<[ChildSpan; 3]>;

/// Where one child lies within the bytes of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChildSpan {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The local name, of which the start is counted from `start`.
    pub(crate) name: (u32, u32),
    pub(crate) namespace: NamespaceSource,
}

/// Where the namespace of a child is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamespaceSource {
    /// Nowhere: it is `jabber:client`, as all around.
    Inherited,
    /// In the prefix `xml`.
    Xml,
    /// As the value of an attribute, which lies there.
    At(u32, u32),
}

impl NamespaceSource {
    /// The same in bytes that begin elsewhere.
    fn moved(self, by: impl Fn(u32) -> u32) -> Self {
        match self {
            Self::At(from, to) => Self::At(by(from), by(to)),
            written => written,
        }
    }
}

impl Children {
    /// No child at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn from_parts(bytes: Bytes, marks: ChildSpans) -> Self {
        Self { bytes, marks }
    }

    /// One typed child.
    ///
    /// # Errors
    /// When the value cannot be written as XML; see [`WriteError`].
    pub fn of<P: AsXml>(payload: &P) -> Result<Self, WriteError> {
        let mut children = ChildrenBuilder::default();
        children.push(payload)?;
        Ok(children.finish())
    }

    /// How many child elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether there is no child element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The children, one after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Child<'_>> + Clone {
        self.marks.iter().map(|mark| Child {
            bytes: &self.bytes,
            mark,
        })
    }

    /// The first child; of an IQ request, its payload.
    #[must_use]
    pub fn first(&self) -> Option<Child<'_>> {
        self.iter().next()
    }

    /// The first child with this namespace and name.
    #[must_use]
    pub fn find(&self, namespace: &str, name: &str) -> Option<Child<'_>> {
        self.iter().find(|child| child.is(namespace, name))
    }

    /// The raw XML of all children.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The character data between the children, references resolved.
    pub fn text(&self) -> Cow<'_, str> {
        text_at(std::str::from_utf8(&self.bytes).unwrap_or_default(), 0)
    }

    /// A copy that holds on to nothing but its own bytes, when what it came in is much larger.
    pub fn detach(&mut self) {
        self.bytes = Bytes::copy_from_slice(&self.bytes);
    }
}

impl fmt::Debug for Children {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}

/// One child element of a stanza, not yet parsed.
#[derive(Clone, Copy)]
pub struct Child<'a> {
    bytes: &'a Bytes,
    mark: &'a ChildSpan,
}

impl<'a> Child<'a> {
    /// Local name of the element.
    #[must_use]
    pub fn name(&self) -> &'a str {
        let start = self.mark.start as usize;
        self.str(
            start + self.mark.name.0 as usize,
            start + self.mark.name.1 as usize,
        )
    }

    /// Namespace of the element.
    #[must_use]
    pub fn namespace(&self) -> Cow<'a, str> {
        match self.mark.namespace {
            NamespaceSource::Inherited => Cow::Borrowed(CLIENT),
            NamespaceSource::Xml => Cow::Borrowed(XML),
            NamespaceSource::At(from, to) => {
                escape::unescape_attribute(self.str(from as usize, to as usize))
            }
        }
    }

    /// Whether the element has this namespace and local name.
    #[must_use]
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.name() == name && self.namespace() == namespace
    }

    /// The value of an attribute of the element, by its name as it is written: `node`, `xml:lang`.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Cow<'a, str>> {
        let Some(Token::Start(StartTag { attributes, .. })) = Tokens::new(self.as_str()).next()
        else {
            return None;
        };
        let (_, value) = tokens::attributes(attributes).find(|(other, _)| *other == name)?;
        Some(escape::unescape_attribute(value))
    }

    /// The raw XML of the element. It may rely on `jabber:client` being the default namespace.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        &self.bytes[self.mark.start as usize..self.mark.end as usize]
    }

    /// The raw XML of the element, as text.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.str(self.mark.start as usize, self.mark.end as usize)
    }

    /// The character data directly in the element, references resolved.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        text_at(self.as_str(), 1)
    }

    /// Parses the element.
    ///
    /// # Errors
    /// When the element is not a `P`, or a bad one.
    pub fn parse<P: FromXml>(&self) -> Result<P, ParseError> {
        events::parse(self.as_str(), None).map_err(ParseError::from)
    }

    /// The element as a tree.
    ///
    /// # Errors
    /// Never for a child that the reader has checked, but for limits that the tree's library may
    /// have.
    pub fn element(&self) -> Result<Element, ParseError> {
        self.parse()
    }

    /// This child alone.
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

    fn str(&self, from: usize, to: usize) -> &'a str {
        // The reader has checked the encoding and marks lie on tag boundaries, so this never falls
        // back.
        self.bytes
            .get(from..to)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

impl fmt::Debug for Child<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Collects serialised children.
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
    pub fn push<P: AsXml>(&mut self, payload: &P) -> Result<(), WriteError> {
        let start = self.out.len();
        let written = Emitter::new(&mut self.out, CLIENT).value(payload);
        self.close(start, written)
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

    /// Text between the children.
    pub fn push_character_data(&mut self, text: &str) -> Result<(), WriteError> {
        if let Some(c) = chars::forbidden(text) {
            return Err(WriteError::Character(c));
        }
        escape::push_text(&mut self.out, text);
        Ok(())
    }

    /// An element with text and nothing else.
    pub fn push_text(&mut self, namespace: &str, name: &str, text: &str) -> Result<(), WriteError> {
        let start = self.out.len();
        let mut emitter = Emitter::new(&mut self.out, CLIENT);
        let written = emitter
            .start(namespace, name)
            .and_then(|()| emitter.text(text));
        emitter.end();
        self.close(start, written)
    }

    /// Lets `write` write one element.
    pub fn push_with(
        &mut self,
        write: impl FnOnce(&mut Emitter<'_>) -> Result<(), EmitError>,
    ) -> Result<(), WriteError> {
        let start = self.out.len();
        let written = write(&mut Emitter::new(&mut self.out, CLIENT));
        self.close(start, written)
    }

    /// Returns the children.
    #[must_use]
    pub fn finish(self) -> Children {
        Children::from_parts(Bytes::from(self.out), self.marks)
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

/// The character data at one depth, counted in open elements.
fn text_at(checked: &str, wanted: usize) -> Cow<'_, str> {
    let mut depth = 0usize;
    let mut text = Cow::Borrowed("");
    for piece in Tokens::new(checked) {
        match piece {
            Token::Start(StartTag { empty: false, .. }) => depth += 1,
            Token::End => depth -= 1,
            Token::Text(raw) if depth == wanted => append(&mut text, escape::unescape_text(raw)),
            Token::Cdata(raw) if depth == wanted => append(&mut text, Cow::Borrowed(raw)),
            _ => {}
        }
    }
    text
}

fn append<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().push_str(&more);
    }
}

/// Finds the name and the namespace of an element that the emitter wrote.
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
    // It writes no prefix but one.
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

/// Stanzas are bounded far below 4 GiB, by the reader and by the writer.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_child_is_marked() {
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
    fn one_of_several_children_stands_alone() {
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
    fn an_attribute_is_read_without_parsing() {
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
    fn what_cannot_be_written_leaves_nothing_behind() {
        let mut builder = ChildrenBuilder::default();
        assert!(builder.push_text(CLIENT, "body", "\u{1}").is_err());
        assert!(builder.finish().is_empty());
    }
}
