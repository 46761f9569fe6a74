//! XML documents as plain data, to compare the results of different parsers.

use std::collections::BTreeMap;

use campanile_stanza::stanza::Children;
use rxml::{Event, Parse, Parser, WithOptions, parser::Options};

/// One element.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tree {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The attributes, by namespace and local name.
    pub(crate) attributes: BTreeMap<(String, String), String>,
    pub(crate) content: Vec<Content>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Element(Tree),
    Text(String),
}

impl Tree {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .get(&(String::new(), name.to_owned()))
            .map(String::as_str)
    }

    pub(crate) fn elements(&self) -> impl Iterator<Item = &Tree> {
        self.content.iter().filter_map(|content| match content {
            Content::Element(tree) => Some(tree),
            Content::Text(_) => None,
        })
    }

    /// Returns the character data directly in the element.
    pub(crate) fn text(&self) -> String {
        let text = |content: &Content| match content {
            Content::Text(text) => Some(text.clone()),
            Content::Element(_) => None,
        };
        self.content.iter().filter_map(text).collect()
    }
}

/// A stream as reported by a parser: its header, the top-level elements, and how it ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Document {
    pub(crate) header: Option<Tree>,
    pub(crate) tops: Vec<Tree>,
    pub(crate) end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum End {
    /// More bytes are expected.
    #[default]
    Open,
    /// The root element is closed.
    Closed,
    /// The document is not well-formed.
    Broken,
}

/// Builds a [`Document`] from the events of a parser.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    document: Document,
    open: Vec<Tree>,
}

impl Builder {
    pub(crate) fn start(&mut self, tree: Tree) {
        if self.document.header.is_none() {
            self.document.header = Some(tree);
        } else {
            self.open.push(tree);
        }
    }

    pub(crate) fn text(&mut self, more: &str) {
        let Some(open) = self.open.last_mut() else {
            return;
        };
        match open.content.last_mut() {
            Some(Content::Text(text)) => text.push_str(more),
            _ if more.is_empty() => {}
            _ => open.content.push(Content::Text(more.to_owned())),
        }
    }

    pub(crate) fn end(&mut self) {
        match (self.open.pop(), self.open.last_mut()) {
            (None, _) => self.document.end = End::Closed,
            (Some(tree), Some(parent)) => parent.content.push(Content::Element(tree)),
            (Some(tree), None) => self.document.tops.push(tree),
        }
    }

    pub(crate) fn finish(self) -> Document {
        self.document
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.document.end == End::Closed
    }

    pub(crate) fn broken(&mut self) {
        self.document.end = End::Broken;
    }
}

/// Parses a document with rxml.
pub(crate) fn rxml(mut bytes: &[u8]) -> Document {
    let options = Options {
        max_token_length: 1 << 21,
        ..Options::default()
    };
    let mut parser = Parser::with_options(options);
    let mut builder = Builder::default();
    while !builder.is_closed() {
        match parser.parse(&mut bytes, false) {
            Ok(Some(Event::StartElement(_, (namespace, name), attributes))) => {
                let attribute =
                    |((namespace, name), value): ((rxml::Namespace<'_>, rxml::NcName), String)| {
                        ((namespace.to_string(), name.to_string()), value)
                    };
                builder.start(Tree {
                    namespace: namespace.to_string(),
                    name: name.to_string(),
                    attributes: attributes.into_iter().map(attribute).collect(),
                    content: Vec::new(),
                });
            }
            Ok(Some(Event::Text(_, text))) => builder.text(&text),
            Ok(Some(Event::EndElement(_))) => builder.end(),
            Ok(Some(_)) => {}
            Ok(None) | Err(rxml::error::EndOrError::NeedMoreData) => break,
            Err(rxml::error::EndOrError::Error(_)) => {
                builder.broken();
                break;
            }
        }
    }
    builder.finish()
}

/// Returns `true` if rxml supports all names that may occur in the document: its table lacks U+FDF0
/// to U+FFFD, which XML 1.0 §2.3 includes.
pub(crate) fn is_within_rxml(bytes: &[u8]) -> bool {
    !bytes.utf8_chunks().any(|chunk| {
        chunk
            .valid()
            .contains(|c| matches!(c, '\u{FDF0}'..='\u{FFFD}'))
    })
}

/// Normalizes line ends (XML 1.0 §2.11), because rxml rejects a lone carriage return in an
/// attribute value.
pub(crate) fn normal_line_ends(bytes: &[u8]) -> Vec<u8> {
    let mut normal = Vec::with_capacity(bytes.len());
    let mut after_return = false;
    for &byte in bytes {
        match byte {
            b'\n' if after_return => {}
            b'\r' => normal.push(b'\n'),
            _ => normal.push(byte),
        }
        after_return = byte == b'\r';
    }
    normal
}

/// Parses children with rxml. Returns the elements and the text between them.
pub(crate) fn of_children(children: &Children) -> (Vec<Tree>, String) {
    let bytes = [
        b"<stream><stanza xmlns='jabber:client'>",
        children.as_bytes(),
        b"</stanza></stream>",
    ]
    .concat();
    let document = rxml(&normal_line_ends(&bytes));
    assert_eq!(
        document.end,
        End::Closed,
        "children depend on their context: {children:?}"
    );
    let stanza = &document.tops[0];
    (stanza.elements().cloned().collect(), stanza.text())
}

/// Parses one element with rxml.
pub(crate) fn tree(xml: &str) -> Tree {
    let document = rxml(format!("<stream>{xml}</stream>").as_bytes());
    assert_eq!(
        (document.end, document.tops.len()),
        (End::Closed, 1),
        "{xml}"
    );
    document.tops.into_iter().next().unwrap()
}
