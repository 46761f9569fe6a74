//! A tokenizer for XML that is known to be well-formed.

use super::chars::is_space;

/// A token of checked XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// A start tag.
    Start(StartTag<'a>),
    /// An end tag.
    End,
    /// Character data, with unresolved references.
    Text(&'a str),
    /// The content between `<![CDATA[` and `]]>`.
    Cdata(&'a str),
}

/// A start tag: its qualified name, and its attributes as raw text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartTag<'a> {
    /// The qualified name, prefix included.
    pub name: &'a str,
    /// The attributes as they are written.
    pub attributes: &'a str,
    /// An empty-element tag: no [`Token::End`] follows.
    pub empty: bool,
}

/// An iterator over the tokens of checked XML.
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    /// Creates an iterator. The bytes must come from the reader or from an
    /// [`Emitter`](super::Emitter).
    pub fn new(checked: &'a str) -> Self {
        Self { rest: checked }
    }

    /// Returns the text that has not been read.
    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }

    fn tag(&mut self) -> Option<Token<'a>> {
        let tag = self.take(tag_length(self.rest)?);
        if tag.starts_with("</") {
            return Some(Token::End);
        }
        let inner = tag.strip_prefix('<')?.strip_suffix('>')?;
        let (inner, empty) = match inner.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        let end = inner.bytes().position(is_space).unwrap_or(inner.len());
        let (name, attributes) = inner.split_at(end);
        Some(Token::Start(StartTag {
            name,
            attributes,
            empty,
        }))
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        token
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        const CDATA: &str = "<![CDATA[";
        if self.rest.is_empty() {
            return None;
        }
        if !self.rest.starts_with('<') {
            let end = memchr::memchr(b'<', self.rest.as_bytes()).unwrap_or(self.rest.len());
            return Some(Token::Text(self.take(end)));
        }
        if let Some(section) = self.rest.strip_prefix(CDATA) {
            let end = section.find("]]>")?;
            return self
                .take(CDATA.len() + end + 3)
                .get(CDATA.len()..CDATA.len() + end)
                .map(Token::Cdata);
        }
        self.tag()
    }
}

/// Returns the length of the tag up to its closing `>`, ignoring any `>` inside quotes.
fn tag_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += memchr::memchr3(b'>', b'"', b'\'', &bytes[at..])?;
        if bytes[at] == b'>' {
            return Some(at + 1);
        }
        let quote = bytes[at];
        at += 1 + memchr::memchr(quote, &bytes[at + 1..])? + 1;
    }
}

/// Returns the attributes of a checked start tag, as pairs of qualified name and raw value.
pub(crate) fn attributes(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.bytes().position(|b| !is_space(b))?;
        let name = &rest[start..];
        let length = name.bytes().position(|b| b == b'=' || is_space(b))?;
        let (name, after) = name.split_at(length);
        // Only an equals sign and white space are in between.
        let opening = after.bytes().position(|b| b == b'"' || b == b'\'')?;
        let quote = after.as_bytes()[opening];
        let value = &after[opening + 1..];
        let end = memchr::memchr(quote, value.as_bytes())?;
        rest = &value[end + 1..];
        Some((name, &value[..end]))
    })
}

/// Returns `true` if two prefixes are the same. Two empty texts are not compared, see
/// `namespace_cache::NONE`.
pub(crate) fn is_same_prefix(one: &str, other: &str) -> bool {
    one.len() == other.len() && (one.is_empty() || one == other)
}

/// Splits a qualified name into its prefix, which may be empty, and its local name.
pub(crate) fn split_name(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or(("", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_token_is_returned() {
        let tokens: Vec<_> =
            Tokens::new("<a x='>' y = \"'\"><b/>t&amp;<![CDATA[<]]]]></a >").collect();
        let start = |name, attributes, empty| {
            Token::Start(StartTag {
                name,
                attributes,
                empty,
            })
        };
        let expected = [
            start("a", " x='>' y = \"'\"", false),
            start("b", "", true),
            Token::Text("t&amp;"),
            Token::Cdata("<]]"),
            Token::End,
        ];
        assert_eq!(tokens, expected);
        let attributes: Vec<_> = attributes(" x='>' y = \"'\"").collect();
        assert_eq!(attributes, [("x", ">"), ("y", "'")]);
    }
}
