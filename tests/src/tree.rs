//! XML trees parsed by rxml, so that sent and received XML can be compared by meaning.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rxml::error::EndOrError;
use rxml::parser::Options;
use rxml::{Event, Parse, Parser, WithOptions};
use tokio::io::AsyncReadExt;

/// An XML element.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    /// Namespace.
    pub namespace: String,
    /// Local name.
    pub name: String,
    /// Attributes by namespace and local name.
    pub attributes: BTreeMap<(String, String), String>,
    /// Content in document order.
    pub content: Vec<Content>,
}

/// Content of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A child element.
    Element(Tree),
    /// Character data between child elements.
    Text(String),
}

impl Tree {
    /// Returns an attribute without a prefix, or an empty string if it is missing.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes
            .get(&(String::new(), name.to_owned()))
            .map_or("", String::as_str)
    }

    /// Returns the child elements.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.content.iter().filter_map(|content| match content {
            Content::Element(tree) => Some(tree),
            Content::Text(_) => None,
        })
    }

    /// Returns the character data directly in the element.
    pub fn text(&self) -> String {
        let text = self.content.iter().filter_map(|content| match content {
            Content::Text(text) => Some(text.as_str()),
            Content::Element(_) => None,
        });
        text.collect()
    }

    /// Returns `true` if the sender is in this domain.
    pub fn is_from(&self, domain: &str) -> bool {
        let bare = self.attribute("from").split('/').next().unwrap_or_default();
        bare.rsplit('@').next() == Some(domain)
    }

    /// Returns a canonical form, which is equal for equivalent XML: expanded names, sorted
    /// attributes.
    pub fn canonical(&self) -> String {
        let mut out = format!("<{{{}}}{}", self.namespace, self.name);
        for ((namespace, name), value) in &self.attributes {
            // Writing to a string does not fail.
            let _ = write!(out, " {{{namespace}}}{name}={value:?}");
        }
        out.push('>');
        for content in &self.content {
            match content {
                Content::Element(tree) => out.push_str(&tree.canonical()),
                Content::Text(text) => {
                    let _ = write!(out, "{text:?}");
                }
            }
        }
        out + "</>"
    }
}

/// Parses a single element that declares its namespaces.
///
/// # Panics
/// If the text is not a single element.
pub fn read(xml: &str) -> Tree {
    let tops = Trees::default().feed(format!("<all>{xml}</all>").as_bytes());
    tops.into_iter()
        .next()
        .unwrap_or_else(|| panic!("no element: {xml}"))
}

/// Reads once and returns the elements completed by the input, or `None` at the end of the stream
/// or on a reset.
pub async fn next(
    reader: &mut (impl AsyncReadExt + Unpin),
    trees: &mut Trees,
) -> Option<Vec<Tree>> {
    let mut chunk = vec![0; 64 * 1024];
    let count = reader.read(&mut chunk).await.unwrap_or(0);
    (count > 0).then(|| trees.feed(&chunk[..count]))
}

/// Incremental parser of a stream: its header, and each top-level element.
pub struct Trees {
    parser: Parser,
    header: Option<Tree>,
    open: Vec<Tree>,
    closed: bool,
}

impl std::fmt::Debug for Trees {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trees")
            .field("header", &self.header)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl Default for Trees {
    fn default() -> Self {
        let parser = Parser::with_options(Options {
            max_token_length: 1 << 22,
            ..Options::default()
        });
        Self {
            parser,
            header: None,
            open: Vec::new(),
            closed: false,
        }
    }
}

impl Trees {
    /// Parses bytes and returns the elements they complete.
    ///
    /// # Panics
    /// If the bytes are not namespace-well-formed XML.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Vec<Tree> {
        let mut complete = Vec::new();
        while !self.closed {
            match self.parser.parse(&mut bytes, false) {
                Ok(Some(Event::StartElement(_, (namespace, name), attributes))) => {
                    let attributes = attributes.into_iter().map(|((space, name), value)| {
                        let name = (space.to_string(), name.to_string());
                        (name, value)
                    });
                    self.start(Tree {
                        namespace: namespace.to_string(),
                        name: name.to_string(),
                        attributes: attributes.collect(),
                        content: Vec::new(),
                    });
                }
                Ok(Some(Event::Text(_, text))) => self.text(&text),
                Ok(Some(Event::EndElement(_))) => complete.extend(self.end()),
                Ok(Some(_)) => {}
                Ok(None) | Err(EndOrError::NeedMoreData) => break,
                Err(EndOrError::Error(error)) => panic!("not XML: {error}; open: {:#?}", self.open),
            }
        }
        complete
    }

    /// Returns the stream header, once it has been received.
    pub fn header(&self) -> Option<&Tree> {
        self.header.as_ref()
    }

    /// Returns `true` once the stream has been closed.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn start(&mut self, tree: Tree) {
        if self.header.is_none() {
            self.header = Some(tree);
        } else {
            self.open.push(tree);
        }
    }

    fn text(&mut self, more: &str) {
        let Some(open) = self.open.last_mut() else {
            return;
        };
        match open.content.last_mut() {
            Some(Content::Text(text)) => text.push_str(more),
            _ if more.is_empty() => {}
            _ => open.content.push(Content::Text(more.to_owned())),
        }
    }

    fn end(&mut self) -> Option<Tree> {
        match (self.open.pop(), self.open.last_mut()) {
            (None, _) => self.closed = true,
            (Some(tree), Some(parent)) => parent.content.push(Content::Element(tree)),
            (Some(tree), None) => return Some(tree),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_xml_has_equal_canonical_form() {
        let read = |xml: &str, piece: usize| {
            let mut trees = Trees::default();
            let read: Vec<Tree> = xml
                .as_bytes()
                .chunks(piece)
                .flat_map(|bytes| trees.feed(bytes))
                .collect();
            assert!(trees.is_closed());
            read.iter().map(Tree::canonical).collect::<Vec<_>>()
        };
        let one = "<s xmlns='urn:s'><a x='1' y='2'>t<b xmlns='urn:b'/>&amp;</a>ignored<c/></s>";
        let other = "<p:s xmlns:p='urn:s'><p:a y=\"2\" x='&#49;'><![CDATA[t]]><q:b \
            xmlns:q='urn:b'></q:b>&#38;</p:a><p:c></p:c></p:s>";
        let wanted = [
            "<{urn:s}a {}x=\"1\" {}y=\"2\">\"t\"<{urn:b}b></>\"&\"</>".to_owned(),
            "<{urn:s}c></>".to_owned(),
        ];
        for piece in [1, 7, 1000] {
            assert_eq!(read(one, piece), wanted);
            assert_eq!(read(other, piece), wanted);
        }
    }
}
