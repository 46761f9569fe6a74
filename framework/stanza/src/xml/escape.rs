//! Escaping and unescaping (XML 1.0 §4.1, §4.6).

use std::borrow::Cow;

use super::chars;

/// Resolves one reference, given without `&` and `;`: a predefined entity or a character reference.
///
/// Returns `None` for any other entity: the document type that could declare it is forbidden (RFC
/// 6120 §11.1).
pub(crate) fn resolve_reference(name: &[u8]) -> Option<char> {
    match name {
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"amp" => Some('&'),
        b"apos" => Some('\''),
        b"quot" => Some('"'),
        [b'#', b'x', digits @ ..] => character(digits, 16),
        [b'#', digits @ ..] => character(digits, 10),
        _ => None,
    }
}

fn character(digits: &[u8], radix: u32) -> Option<char> {
    // An empty reference yields U+0000, which is not a character of XML.
    let code = digits.iter().try_fold(0u32, |code, &digit| {
        code.checked_mul(radix)?
            .checked_add(char::from(digit).to_digit(radix)?)
    });
    char::from_u32(code?).filter(|&c| chars::is_char(c))
}

/// Returns the value of checked character data: references resolved, line ends normalized (XML 1.0
/// §2.11).
pub(crate) fn unescape_text(raw: &str) -> Cow<'_, str> {
    unescape(raw, memchr::memchr2(b'&', b'\r', raw.as_bytes()), |c| {
        if c == '\r' { '\n' } else { c }
    })
}

/// Returns the value of a checked attribute: references resolved, white space normalized (XML 1.0
/// §2.11, §3.3.3).
pub(crate) fn unescape_attribute(raw: &str) -> Cow<'_, str> {
    let special = |b: u8| (b < b' ') | (b == b'&');
    if !raw.bytes().fold(false, |any, b| any | special(b)) {
        return Cow::Borrowed(raw);
    }
    let first = raw.bytes().position(special);
    unescape(raw, first, |c| {
        if matches!(c, '\r' | '\n' | '\t') {
            ' '
        } else {
            c
        }
    })
}

/// Unescapes `raw`. `first` is the position of the first byte that does not stand for itself.
fn unescape(raw: &str, first: Option<usize>, plain: impl Fn(char) -> char) -> Cow<'_, str> {
    let Some(first) = first else {
        return Cow::Borrowed(raw);
    };
    let mut value = String::with_capacity(raw.len());
    value.push_str(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == '&' {
            let end = rest.find(';').unwrap_or(rest.len());
            value.extend(resolve_reference(&rest.as_bytes()[..end]));
            rest = rest.get(end + 1..).unwrap_or_default();
        } else {
            if c == '\r' {
                rest = rest.strip_prefix('\n').unwrap_or(rest);
            }
            value.push(plain(c));
        }
    }
    Cow::Owned(value)
}

/// Appends a piece of text. The first one is not copied.
pub(crate) fn append<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().push_str(&more);
    }
}

/// Appends `text` as escaped character data.
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    // `>` must be escaped only after `]]`; Prosody and ejabberd always escape it.
    push(out, text, |b| match b {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#13;"),
        _ => None,
    });
}

/// Appends `value`, escaped for an attribute in single quotes.
pub fn push_attribute(out: &mut Vec<u8>, value: &str) {
    if chars::is_plain(value) {
        out.extend_from_slice(value.as_bytes());
        return;
    }
    push(out, value, |b| match b {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'\'' => Some("&apos;"),
        b'\t' => Some("&#9;"),
        b'\n' => Some("&#10;"),
        b'\r' => Some("&#13;"),
        _ => None,
    });
}

fn push(out: &mut Vec<u8>, text: &str, escape: impl Fn(u8) -> Option<&'static str>) {
    // Most texts need no escaping. Checking a block at a time lets the compiler vectorize the
    // check.
    const BLOCK: usize = 32;
    let plain = |b: u8| (b >= 0x20) & (b != b'&') & (b != b'<') & (b != b'>') & (b != b'\'');
    let bytes = text.as_bytes();
    out.reserve(bytes.len());
    let mut from = 0;
    for (block, piece) in bytes.chunks(BLOCK).enumerate() {
        if piece.iter().fold(true, |all, &b| all & plain(b)) {
            continue;
        }
        for (at, &b) in piece.iter().enumerate() {
            if let Some(reference) = escape(b) {
                let at = block * BLOCK + at;
                out.extend_from_slice(&bytes[from..at]);
                out.extend_from_slice(reference.as_bytes());
                from = at + 1;
            }
        }
    }
    out.extend_from_slice(&bytes[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_references_resolve_and_others_do_not() {
        let good = [
            ("lt", '<'),
            ("#65", 'A'),
            ("#x1F514", '\u{1F514}'),
            ("#x9", '\t'),
        ];
        for (name, c) in good {
            assert_eq!(resolve_reference(name.as_bytes()), Some(c), "{name}");
        }
        for bad in [
            "",
            "nbsp",
            "#",
            "#x",
            "#0",
            "#1",
            "#xD800",
            "#xFFFE",
            "#x110000",
            "#+65",
            "#X41",
            "#99999999999",
        ] {
            assert_eq!(resolve_reference(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn text_and_attributes_normalize_white_space_differently() {
        assert_eq!(
            unescape_text("a\r\nb\rc&#13;\t&amp;amp;"),
            "a\nb\nc\r\t&amp;"
        );
        assert_eq!(unescape_attribute("a\r\nb\tc&#10;&quot;"), "a b c\n\"");
        assert!(matches!(unescape_text("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn escaped_text_unescapes_to_the_original() {
        let value = "a<b>&'\"\r\n\t]]>é";
        let mut as_text = Vec::new();
        let mut as_attribute = Vec::new();
        push_text(&mut as_text, value);
        push_attribute(&mut as_attribute, value);
        assert_eq!(unescape_text(std::str::from_utf8(&as_text).unwrap()), value);
        assert_eq!(
            unescape_attribute(std::str::from_utf8(&as_attribute).unwrap()),
            value
        );
    }

    #[test]
    fn escaping_works_at_any_position_of_a_long_text() {
        for at in 0..100 {
            let value = format!("{}<{}", "x".repeat(at), "é'".repeat(100 - at));
            let mut out = b"before".to_vec();
            push_text(&mut out, &value);
            assert_eq!(
                String::from_utf8(out).unwrap(),
                format!("before{}", value.replace('<', "&lt;"))
            );
        }
    }
}
