//! Reads one element of checked XML in one pass, without an event or a map in between.

use std::borrow::Cow;

use smallvec::SmallVec;
use xso::FromXmlText;
use xso::fromxml::XmlNameMatcher;

use super::tokens::{self, StartTag, Token, Tokens, is_same_prefix, split_name};
use super::{CLIENT, XML, escape};

/// One element, whose attributes and content are read in document order.
///
/// It is what [`ReadPayload::read`](crate::payload::ReadPayload::read) reads from. Namespaces are
/// resolved, references are replaced. What is left unread when a child is dropped is skipped.
#[derive(Debug)]
pub struct ElementReader<'r, 'a> {
    cursor: &'r mut Cursor<'a>,
    tag: StartTag<'a>,
    /// The text from the start tag on.
    from: &'a str,
    /// The number of open elements, this one included.
    depth: usize,
}

/// A piece of the content of an element.
#[derive(Debug)]
pub enum Content<'r, 'a> {
    /// Character data. Sections of CDATA and child elements divide it into pieces.
    Text(Cow<'a, str>),
    /// A child element.
    Element(ElementReader<'r, 'a>),
}

/// An attribute, except the declarations of namespaces.
#[derive(Debug, Clone, Copy)]
pub struct Attribute<'a> {
    name: &'a str,
    raw: &'a str,
}

/// The position within the text, and what is in scope there.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    tokens: Tokens<'a>,
    bindings: SmallVec<[Binding<'a>; 4]>,
    langs: SmallVec<[(usize, Cow<'a, str>); 1]>,
    depth: usize,
    /// The last tag was an empty element, which is still open.
    owed_end: bool,
}

/// A prefix and its namespace, from the element at this depth on.
#[derive(Debug)]
pub(crate) struct Binding<'a> {
    depth: usize,
    pub(crate) prefix: &'a str,
    pub(crate) namespace: Cow<'a, str>,
}

/// An element as text, with what it inherits from its parent.
#[derive(Debug)]
pub(crate) struct RawElement<'r, 'a> {
    pub(crate) text: &'a str,
    pub(crate) lang: Option<&'r str>,
    pub(crate) bindings: &'r [Binding<'a>],
}

impl<'a> Cursor<'a> {
    /// Creates a cursor before an element of checked XML, whose parent is in `jabber:client`.
    pub(crate) fn new(element: &'a str, lang: Option<&'a str>) -> Self {
        Self {
            tokens: Tokens::new(element),
            bindings: SmallVec::new(),
            langs: lang.map(|lang| (0, lang.into())).into_iter().collect(),
            depth: 0,
            owed_end: false,
        }
    }

    /// Returns the element.
    pub(crate) fn root(&mut self) -> Option<ElementReader<'_, 'a>> {
        let from = self.tokens.rest();
        match self.tokens.next()? {
            Token::Start(tag) => Some(self.open(tag, from)),
            _ => None,
        }
    }

    fn open(&mut self, tag: StartTag<'a>, from: &'a str) -> ElementReader<'_, 'a> {
        self.depth += 1;
        self.owed_end = tag.empty;
        // Most elements within a payload declare nothing.
        if tag.attributes.contains("xml") {
            self.declare(tag.attributes);
        }
        ElementReader {
            depth: self.depth,
            cursor: self,
            tag,
            from,
        }
    }

    /// Enters namespaces and language of a start tag.
    fn declare(&mut self, attributes: &'a str) {
        for (name, value) in tokens::attributes(attributes) {
            if name == "xml:lang" {
                self.langs
                    .push((self.depth, escape::unescape_attribute(value)));
            } else if let Some(prefix) = declared_prefix(name) {
                self.bindings.push(Binding {
                    depth: self.depth,
                    prefix,
                    namespace: escape::unescape_attribute(value),
                });
            }
        }
    }

    fn close(&mut self) {
        let depth = self.depth;
        while self.bindings.last().is_some_and(|it| it.depth >= depth) {
            self.bindings.pop();
        }
        while self.langs.last().is_some_and(|it| it.0 >= depth) {
            self.langs.pop();
        }
        self.depth -= 1;
    }

    /// Skips what is open below `depth`.
    fn skip_to(&mut self, depth: usize) {
        if std::mem::take(&mut self.owed_end) {
            self.close();
        }
        while self.depth > depth {
            match self.tokens.next() {
                Some(Token::Start(tag)) if !tag.empty => self.depth += 1,
                Some(Token::End) => self.close(),
                Some(_) => {}
                None => self.depth = depth,
            }
        }
    }
}

impl<'a> ElementReader<'_, 'a> {
    /// Returns the local name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        split_name(self.tag.name).1
    }

    /// Returns the namespace, `jabber:client` if none is declared.
    #[must_use]
    pub fn namespace(&self) -> &str {
        let prefix = split_name(self.tag.name).0;
        let is_same = |bound: &&Binding<'_>| is_same_prefix(bound.prefix, prefix);
        match self.cursor.bindings.iter().rev().find(is_same) {
            Some(binding) => &binding.namespace,
            None if prefix == "xml" => XML,
            None if prefix.is_empty() => CLIENT,
            None => "",
        }
    }

    /// Returns `true` if a type with this matcher may be read from the element.
    #[must_use]
    pub fn may_be(&self, matcher: &XmlNameMatcher<'_>) -> bool {
        match matcher {
            XmlNameMatcher::Any => true,
            XmlNameMatcher::InNamespace(namespace) => *namespace == self.namespace(),
            XmlNameMatcher::Specific(namespace, name) => {
                *name == self.name() && *namespace == self.namespace()
            }
        }
    }

    /// Returns the attributes, as they are written.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        tokens::attributes(self.tag.attributes)
            .filter(|(name, _)| declared_prefix(name).is_none())
            .map(|(name, raw)| Attribute { name, raw })
    }

    /// Returns the next piece of content, or `None` at the end of the element.
    pub fn next_content(&mut self) -> Option<Content<'_, 'a>> {
        let cursor = &mut *self.cursor;
        cursor.skip_to(self.depth);
        if cursor.depth < self.depth {
            return None;
        }
        let from = cursor.tokens.rest();
        match cursor.tokens.next()? {
            Token::Start(tag) => Some(Content::Element(cursor.open(tag, from))),
            Token::Text(raw) => Some(Content::Text(escape::unescape_text(raw))),
            Token::Cdata(raw) => Some(Content::Text(raw.into())),
            Token::End => {
                cursor.close();
                None
            }
        }
    }

    /// Skips the content, and calls `read` with the whole element.
    pub(crate) fn with_raw<T>(self, read: impl FnOnce(RawElement<'_, 'a>) -> T) -> T {
        let cursor = self.cursor;
        // Its own declarations are part of its text.
        let outer = cursor.bindings.partition_point(|it| it.depth < self.depth);
        let outer_lang = cursor.langs.iter().rfind(|(depth, _)| *depth < self.depth);
        let mut rest = Cursor::new(self.from, None);
        rest.root();
        rest.skip_to(0);
        read(RawElement {
            text: &self.from[..self.from.len() - rest.tokens.rest().len()],
            lang: outer_lang.map(|(_, lang)| &**lang),
            bindings: &cursor.bindings[..outer],
        })
    }
}

impl<'a> Attribute<'a> {
    /// Returns the name as it is written, including a prefix: `node`, `xml:lang`.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Returns the value.
    #[must_use]
    pub fn value(&self) -> Cow<'a, str> {
        escape::unescape_attribute(self.raw)
    }

    /// Converts the value.
    ///
    /// # Errors
    /// If it is not one of `T`.
    pub fn parse<T: FromXmlText>(&self) -> Result<T, xso::error::Error> {
        T::from_xml_text(self.value().into_owned())
    }
}

/// Returns the prefix that the attribute declares, which is empty for the default namespace.
fn declared_prefix(name: &str) -> Option<&str> {
    match name.strip_prefix("xmlns")? {
        "" => Some(""),
        rest => rest.strip_prefix(':'),
    }
}
