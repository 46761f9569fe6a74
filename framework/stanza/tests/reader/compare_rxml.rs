//! What the reader and rxml each make of one document, and where they may differ. The fuzz targets
//! judge by it, too.

use campanile_stanza::reader::ReadError;

use crate::oracle::compare;
use crate::tree::{Document, End, is_within_rxml, normal_line_ends, rxml};

/// The same document in the form that rxml takes: without the mark U+FEFF (XML 1.0 §4.3.3) and the
/// white space that may stand before the first tag, and with line ends normalised (§2.11), since it
/// refuses a lone carriage return in an attribute value.
fn for_rxml(bytes: &[u8]) -> Vec<u8> {
    let mark = "\u{FEFF}".as_bytes();
    let bytes = bytes.strip_prefix(mark).unwrap_or(bytes);
    let spaces = bytes
        .iter()
        .take_while(|byte| b" \t\r\n".contains(byte))
        .count();
    let trimmed = &bytes[spaces..];
    // A declaration must not have anything before it.
    let bytes = if trimmed.starts_with(b"<?xml") {
        bytes
    } else {
        trimmed
    };
    normal_line_ends(bytes)
}

/// What rxml is known to judge otherwise.
fn is_known(bytes: &[u8], document: &Document, fault: Option<ReadError>) -> bool {
    // Of the XML declaration it takes only `version='1.0'`, where XML 1.0 §2.8 has processors read
    // 1.1 and later as 1.0, and not `standalone='no'`.
    let declaration =
        document.end == End::Broken && document.header.is_none() && contains(bytes, "<?xml");
    // It reads `yes` in capitals, and references, where the declaration has neither (§2.9, §2.8).
    let lax = matches!(
        fault,
        Some(ReadError::NotWellFormed("a bad XML declaration") | ReadError::Encoding)
    ) && is_lax(bytes);
    // It lets a namespace be declared twice in one tag.
    let twice = fault == Some(ReadError::NotWellFormed("an attribute stands twice"))
        && contains(bytes, "xmlns");
    // It lets a section of character data stand before the root element (XML 1.0 §2.8 has no such
    // thing).
    let section = document.header.is_none() && contains(bytes, "<![CDATA[");
    declaration || lax || twice || section
}

/// Whether the XML declaration is one that only rxml takes.
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

/// Asks both about a document, and fails when they differ in more than what is known. How it ends,
/// says rxml.
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
