//! Compares the reader with rxml on one document, allowing for known differences.
//!
//! The fuzz targets use it as well.

use campanile_stanza::reader::ReadError;

use crate::oracle::compare;
use crate::tree::{Document, End, is_within_rxml, normal_line_ends, rxml};

/// Converts a document into a form that rxml accepts: without the byte order mark (XML 1.0 §4.3.3)
/// and white space before the first tag, and with normalized line ends (§2.11), because rxml
/// rejects a lone carriage return in an attribute value.
fn for_rxml(bytes: &[u8]) -> Vec<u8> {
    let mark = "\u{FEFF}".as_bytes();
    let bytes = bytes.strip_prefix(mark).unwrap_or(bytes);
    let spaces = bytes
        .iter()
        .take_while(|byte| b" \t\r\n".contains(byte))
        .count();
    let trimmed = &bytes[spaces..];
    // An XML declaration must be at the very start.
    let bytes = if trimmed.starts_with(b"<?xml") {
        bytes
    } else {
        trimmed
    };
    normal_line_ends(bytes)
}

/// Returns `true` for known differences of rxml.
fn is_known(bytes: &[u8], document: &Document, fault: Option<ReadError>) -> bool {
    // rxml accepts `version='1.0'` only, although XML 1.0 §2.8 requires processors to read 1.1 and
    // later as 1.0, and it rejects `standalone='no'`.
    let declaration =
        document.end == End::Broken && document.header.is_none() && contains(bytes, "<?xml");
    // rxml accepts `yes` in capitals, and references in the declaration (forbidden by §2.9, §2.8).
    let lax = matches!(
        fault,
        Some(ReadError::NotWellFormed("invalid XML declaration") | ReadError::Encoding)
    ) && is_lax(bytes);
    // rxml accepts duplicate namespace declarations in one tag.
    let twice =
        fault == Some(ReadError::NotWellFormed("duplicate attribute")) && contains(bytes, "xmlns");
    // rxml accepts a CDATA section before the root element (forbidden by XML 1.0 §2.8).
    let section = document.header.is_none() && contains(bytes, "<![CDATA[");
    declaration || lax || twice || section
}

/// Returns `true` if the XML declaration is one that only rxml accepts.
fn is_lax(bytes: &[u8]) -> bool {
    let Some(declaration) = bytes
        .split(|&byte| byte == b'>')
        .next()
        .filter(|first| contains(first, "<?xml"))
    else {
        return false;
    };
    let capitals =
        contains(&declaration.to_ascii_lowercase(), "yes") && !contains(declaration, "yes");
    capitals || declaration.contains(&b'&')
}

/// Compares both parsers on a document and panics on an unknown difference. Returns how the
/// document ends according to rxml.
pub(crate) fn check(bytes: &[u8]) -> End {
    let document = rxml(&for_rxml(bytes));
    if is_within_rxml(bytes)
        && let Err(found) = compare(bytes, &document, |bytes| rxml(&for_rxml(bytes)).end)
    {
        assert!(
            found.blind || is_known(bytes, &document, found.fault),
            "{}\n{}",
            bytes.escape_ascii(),
            found.why
        );
    }
    document.end
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}
