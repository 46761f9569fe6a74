//! The parser for start tags: name and attributes in one pass.

use std::ops::Range;

use super::ReadError;
use super::text::check_references;
use crate::xml::chars::{self, Class};
use crate::xml::escape;

/// The number of attributes kept. Further ones are checked, but dropped: see [`Tag::over_limit`].
pub(super) const MAX_ATTRIBUTES: usize = 128;

/// A parsed start tag, whose memory the next tag reuses. Offsets are relative to its `<`.
#[derive(Debug, Default)]
pub(super) struct Tag {
    pub(super) name: Name,
    pub(super) attributes: Vec<Attribute>,
    pub(super) empty: bool,
    /// The tag has more than [`MAX_ATTRIBUTES`] attributes.
    pub(super) over_limit: bool,
}

/// A qualified name: its range, and the start of its local part.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Name {
    start: usize,
    local: usize,
    end: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Attribute {
    pub(super) name: Name,
    pub(super) value: Range<usize>,
    /// The value contains references, or white space other than U+0020.
    pub(super) raw: bool,
    pub(super) role: Role,
}

/// The role of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// An attribute without a prefix.
    Plain,
    /// An attribute with a prefix, which is resolved after all declarations of the tag are known.
    Prefixed,
    /// A declaration of the default namespace.
    Default,
    /// A declaration of the prefix that is its local name.
    Prefix,
}

/// The reason why a tag could not be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagError {
    /// The end of the tag has not arrived yet.
    Incomplete,
    Invalid(ReadError),
}

impl From<TagError> for ReadError {
    fn from(halt: TagError) -> Self {
        match halt {
            TagError::Incomplete => Self::NotWellFormed("unterminated tag"),
            TagError::Invalid(fault) => fault,
        }
    }
}

impl Name {
    pub(super) fn all<'a>(&self, tag: &'a [u8]) -> &'a [u8] {
        &tag[self.start..self.end]
    }

    /// Returns the prefix, which may be empty.
    pub(super) fn prefix<'a>(&self, tag: &'a [u8]) -> &'a [u8] {
        // The colon precedes the local part.
        &tag[self.start..self.local.saturating_sub(1).max(self.start)]
    }

    pub(super) fn local<'a>(&self, tag: &'a [u8]) -> &'a [u8] {
        &tag[self.local..self.end]
    }

    pub(super) fn local_range(&self) -> Range<usize> {
        self.local..self.end
    }

    pub(super) fn has_prefix(&self) -> bool {
        self.local != self.start
    }
}

impl Attribute {
    /// Returns the value, with references resolved and white space normalized.
    pub(super) fn value<'a>(&self, tag: &'a [u8]) -> std::borrow::Cow<'a, str> {
        // The parser has checked the encoding.
        let raw = std::str::from_utf8(&tag[self.value.clone()]).unwrap_or_default();
        if self.raw {
            escape::unescape_attribute(raw)
        } else {
            raw.into()
        }
    }

    /// Returns the name and the value.
    pub(super) fn owned(&self, tag: &[u8]) -> (String, String) {
        (
            String::from_utf8_lossy(self.name.all(tag)).into_owned(),
            self.value(tag).into_owned(),
        )
    }
}

impl Tag {
    /// Parses the start tag at the start of `bytes` and returns its length.
    pub(super) fn parse(&mut self, bytes: &[u8]) -> Result<usize, TagError> {
        self.attributes.clear();
        self.over_limit = false;
        self.name = name(bytes, 1)?;
        let mut at = self.name.end;
        loop {
            let next = skip_space(bytes, at);
            match *bytes.get(next).ok_or(TagError::Incomplete)? {
                b'>' => {
                    self.empty = false;
                    return Ok(next + 1);
                }
                b'/' if *bytes.get(next + 1).ok_or(TagError::Incomplete)? == b'>' => {
                    self.empty = true;
                    return Ok(next + 2);
                }
                _ if next == at => return Err(bad("missing white space before an attribute")),
                _ => at = self.attribute(bytes, next)?,
            }
        }
    }

    fn attribute(&mut self, bytes: &[u8], at: usize) -> Result<usize, TagError> {
        let name = name(bytes, at)?;
        let equals = skip_space(bytes, name.end);
        if *bytes.get(equals).ok_or(TagError::Incomplete)? != b'=' {
            return Err(bad("attribute without a value"));
        }
        let open = skip_space(bytes, equals + 1);
        let quote = *bytes.get(open).ok_or(TagError::Incomplete)?;
        if !matches!(quote, b'\'' | b'"') {
            return Err(bad("attribute value without quotes"));
        }
        let (end, raw) = value(bytes, open + 1, quote)?;
        let role = match (name.has_prefix(), name.all(bytes)) {
            (false, b"xmlns") => Role::Default,
            (false, _) => Role::Plain,
            (true, _) if name.prefix(bytes) == b"xmlns" => Role::Prefix,
            (true, _) => Role::Prefixed,
        };
        self.push(
            bytes,
            Attribute {
                name,
                value: open + 1..end,
                raw,
                role,
            },
        )?;
        Ok(end + 1)
    }

    fn push(&mut self, bytes: &[u8], attribute: Attribute) -> Result<(), TagError> {
        if self.attributes.len() < MAX_ATTRIBUTES {
            self.attributes.push(attribute);
            return Ok(());
        }
        self.over_limit = true;
        // Attributes that are needed to answer the stanza are always kept.
        let name = attribute.name.all(bytes);
        if matches!(name, b"from" | b"to" | b"id" | b"type") {
            if self
                .attributes
                .iter()
                .any(|other| other.name.all(bytes) == name)
            {
                return Err(bad("duplicate attribute"));
            }
            self.attributes.push(attribute);
        }
        Ok(())
    }
}

fn bad(why: &'static str) -> TagError {
    TagError::Invalid(ReadError::NotWellFormed(why))
}

/// Returns the name in an end tag, which is given with `</` and `>`.
pub(super) fn end_name(tag: &[u8]) -> &[u8] {
    let mut name = &tag[2..tag.len() - 1];
    while let [before @ .., last] = name
        && chars::is_space(*last)
    {
        name = before;
    }
    name
}

/// Checks that `bytes` are a qualified name.
pub(super) fn check_name(bytes: &[u8]) -> Result<(), ReadError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ReadError::Encoding)?;
    if is_qualified(text) {
        Ok(())
    } else {
        Err(ReadError::NotWellFormed("invalid name"))
    }
}

fn is_qualified(name: &str) -> bool {
    match name.split_once(':') {
        None => chars::is_ncname(name),
        Some((prefix, local)) => chars::is_ncname(prefix) && chars::is_ncname(local),
    }
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|&b| chars::is_space(b)) {
        at += 1;
    }
    at
}

/// Reads a name with at most one colon, both parts NCNames (Namespaces in XML 1.0 §4).
fn name(bytes: &[u8], start: usize) -> Result<Name, TagError> {
    let mut local = start;
    let mut end = start;
    loop {
        match *bytes.get(end).ok_or(TagError::Incomplete)? {
            b if chars::is(b, Class::NAME) => end += 1,
            b':' if local == start => {
                end += 1;
                local = end;
            }
            0x80.. => return long_name(bytes, start),
            _ => break,
        }
    }
    let starts = |at: usize| at < end && chars::is(bytes[at], Class::NAME_START);
    if starts(start) && starts(local) {
        Ok(Name { start, local, end })
    } else {
        Err(bad("invalid name"))
    }
}

/// Reads a name that is not ASCII.
#[cold]
fn long_name(bytes: &[u8], start: usize) -> Result<Name, TagError> {
    let is_end = |b: &u8| chars::is_space(*b) || matches!(b, b'=' | b'/' | b'>');
    let end = start
        + bytes[start..]
            .iter()
            .position(is_end)
            .ok_or(TagError::Incomplete)?;
    let name = &bytes[start..end];
    check_name(name).map_err(TagError::Invalid)?;
    let local = name
        .iter()
        .position(|&b| b == b':')
        .map_or(start, |colon| start + colon + 1);
    Ok(Name { start, local, end })
}

/// Reads an attribute value. Returns the position of its closing quote, and `true` if the value
/// must be unescaped.
fn value(bytes: &[u8], start: usize, quote: u8) -> Result<(usize, bool), TagError> {
    let mut at = start;
    let mut raw = false;
    let mut high = false;
    loop {
        match *bytes.get(at).ok_or(TagError::Incomplete)? {
            b if chars::is(b, Class::VALUE) => {}
            b if b == quote => break,
            b'\'' | b'"' => {}
            b'&' | b'\t' | b'\n' | b'\r' => raw = true,
            b'<' => return Err(bad("`<` in an attribute value")),
            0x80.. => high = true,
            _ => return Err(bad("forbidden character")),
        }
        at += 1;
    }
    let value = &bytes[start..at];
    if high {
        let text =
            std::str::from_utf8(value).map_err(|_| TagError::Invalid(ReadError::Encoding))?;
        if chars::forbidden(text).is_some() {
            return Err(bad("forbidden character"));
        }
    }
    if raw {
        check_references(value).map_err(TagError::Invalid)?;
    }
    Ok((at, raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(tag: &str) -> Result<Vec<(&str, &str, &str)>, TagError> {
        let mut parsed = Tag::default();
        let bytes = tag.as_bytes();
        assert_eq!(parsed.parse(bytes)?, bytes.len(), "{tag}");
        let str = |bytes| std::str::from_utf8(bytes).unwrap();
        let parts = |a: &Attribute| {
            (
                str(a.name.prefix(bytes)),
                str(a.name.local(bytes)),
                &tag[a.value.clone()],
            )
        };
        Ok(parsed.attributes.iter().map(parts).collect())
    }

    #[test]
    fn tag_is_parsed_into_name_and_attributes() {
        assert_eq!(attributes("<a/>"), Ok(vec![]));
        assert_eq!(attributes("<a\n>"), Ok(vec![]));
        assert_eq!(
            attributes("<p:a x = '1'\ty=\"'>\" p:z='&lt;' xmlns='' xmlns:é='urn:é' />"),
            Ok(vec![
                ("", "x", "1"),
                ("", "y", "'>"),
                ("p", "z", "&lt;"),
                ("", "xmlns", ""),
                ("xmlns", "é", "urn:é")
            ])
        );
    }

    #[test]
    fn truncated_tag_is_incomplete() {
        let tag = "<p:a x = '1'\ty=\"é\" xmlns:é='&lt;' />";
        for (at, _) in tag.char_indices().skip(1) {
            assert_eq!(
                attributes(&tag[..at]),
                Err(TagError::Incomplete),
                "{}",
                &tag[..at]
            );
        }
    }
}
