//! The bytes before the stream header (XML 1.0 §2.8, production prolog, without what RFC 6120
//! forbids).

use super::ReadError;
use super::tag::Tag;
use crate::xml::chars::is_space;

/// The position in the stream, as an XML document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamState {
    /// Nothing has been read.
    Start,
    /// U+FEFF has been read.
    Marked,
    /// White space or the XML declaration has been read.
    Declared,
    /// The stream header has been read.
    Open,
    /// The stream header has been read, and was an empty tag that also ends the stream.
    Ending,
    /// The stream is closed.
    Closed,
}

/// The maximum length of the XML declaration, which has at most three short attributes.
const MAX_DECLARATION: usize = 256;

/// Checks text before the header. Returns its length and the state after it.
pub(super) fn text(state: StreamState, text: &[u8]) -> Result<(usize, StreamState), ReadError> {
    const MARK: &[u8] = "\u{FEFF}".as_bytes();
    // XML 1.0 §4.3.3: the byte order mark is not part of the document.
    if state == StreamState::Start && text.starts_with(MARK) {
        return Ok((MARK.len(), StreamState::Marked));
    }
    let Some(other) = text.iter().position(|&b| !is_space(b)) else {
        let state = if text.is_empty() {
            state
        } else {
            StreamState::Declared
        };
        return Ok((text.len(), state));
    };
    let is_character = text[other..]
        .utf8_chunks()
        .next()
        .is_some_and(|chunk| !chunk.valid().is_empty());
    Err(if is_character {
        ReadError::NotWellFormed("text before the stream header")
    } else {
        ReadError::Encoding
    })
}

/// Checks `<?xml … ?>`, which may occur at the start only: any other processing instruction is
/// forbidden (RFC 6120 §11.1).
///
/// Returns its length, or `None` while it is incomplete.
pub(super) fn declaration(state: StreamState, rest: &[u8]) -> Result<Option<usize>, ReadError> {
    const START: &[u8] = b"<?xml";
    const INSTRUCTION: ReadError = ReadError::Restricted("processing instruction");
    if !matches!(state, StreamState::Start | StreamState::Marked) {
        return Err(INSTRUCTION);
    }
    let Some(&next) = rest.get(START.len()) else {
        return if START.starts_with(rest) {
            Ok(None)
        } else {
            Err(INSTRUCTION)
        };
    };
    if !(rest.starts_with(START) && is_space(next)) {
        return Err(INSTRUCTION);
    }
    let looked_at = &rest[1..rest.len().min(MAX_DECLARATION)];
    match memchr::memchr2(b'<', b'>', looked_at) {
        Some(end) if looked_at[..=end].ends_with(b"?>") => {
            check_declaration(&looked_at[START.len() - 1..end - 1])?;
            Ok(Some(end + 2))
        }
        None if rest.len() < MAX_DECLARATION => Ok(None),
        _ => Err(ReadError::NotWellFormed("unterminated XML declaration")),
    }
}

/// Checks the attributes: version, encoding, standalone, in this order (XML 1.0 §2.8), and UTF-8
/// only (RFC 6120 §11.6).
fn check_declaration(inner: &[u8]) -> Result<(), ReadError> {
    const BAD: ReadError = ReadError::NotWellFormed("invalid XML declaration");
    let tag = [b"<xml", inner, b">"].concat();
    let mut parsed = Tag::default();
    parsed.parse(&tag)?;
    let mut rest = &parsed.attributes[..];
    let mut take = |name: &str| {
        let found = rest
            .first()
            .filter(|attribute| attribute.name.all(&tag) == name.as_bytes())?;
        rest = &rest[1..];
        Some(&tag[found.value.clone()])
    };
    let version = take("version").ok_or(BAD)?;
    let encoding = take("encoding");
    let standalone = take("standalone");
    let minor = version.strip_prefix(b"1.").ok_or(BAD)?;
    let good = !minor.is_empty()
        && minor.iter().all(u8::is_ascii_digit)
        && standalone.is_none_or(|standalone| matches!(standalone, b"yes" | b"no"))
        && rest.is_empty()
        && !parsed.empty;
    match encoding {
        _ if !good => Err(BAD),
        Some(encoding) if !encoding.eq_ignore_ascii_case(b"utf-8") => Err(ReadError::Encoding),
        _ => Ok(()),
    }
}
