//! Character classes of XML 1.0.

/// Classes of ASCII bytes, one bit each.
pub(crate) struct Class;

impl Class {
    const SPACE: u8 = 1;
    /// May start an NCName.
    pub(crate) const NAME_START: u8 = 2;
    /// May occur inside an NCName.
    pub(crate) const NAME: u8 = 4;
    /// Stands for itself in an attribute value, with either kind of quotes.
    pub(crate) const VALUE: u8 = 8;
    /// Is written as it is, in text and in attribute values.
    const PLAIN: u8 = 16;
}

const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        if matches!(b, b' ' | b'\t' | b'\n' | b'\r') {
            table[byte] |= Class::SPACE;
        }
        if b.is_ascii_alphabetic() || b == b'_' {
            table[byte] |= Class::NAME_START | Class::NAME;
        }
        if b.is_ascii_digit() || b == b'-' || b == b'.' {
            table[byte] |= Class::NAME;
        }
        if b >= b' ' && !matches!(b, b'&' | b'<' | b'\'' | b'"') {
            table[byte] |= Class::VALUE;
        }
        if is_plain_byte(b) {
            table[byte] |= Class::PLAIN;
        }
        byte += 1;
    }
    table
};

const fn is_plain_byte(b: u8) -> bool {
    (b >= b' ') & b.is_ascii() & (b != b'&') & (b != b'<') & (b != b'>') & (b != b'\'')
}

pub(crate) const fn is(byte: u8, class: u8) -> bool {
    CLASS[byte as usize] & class != 0
}

/// Returns `true` for XML white space (XML 1.0 §2.3, production S).
pub(crate) const fn is_space(byte: u8) -> bool {
    is(byte, Class::SPACE)
}

/// Returns `true` if `name` is an NCName, which is a name without colons (Namespaces in XML 1.0 §3,
/// production NCName).
pub(crate) fn is_ncname(name: &str) -> bool {
    let bytes = name.as_bytes();
    let Some(&first) = bytes.first() else {
        return false;
    };
    if bytes.is_ascii() {
        return is(first, Class::NAME_START) && bytes.iter().all(|&b| is(b, Class::NAME));
    }
    let mut chars = name.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

/// XML 1.0 §2.3, production NameStartChar, without the colon.
fn is_name_start(c: char) -> bool {
    match c {
        '\0'..='\x7f' => is(c as u8, Class::NAME_START),
        '\u{C0}'..='\u{D6}'
        | '\u{D8}'..='\u{F6}'
        | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}'
        | '\u{37F}'..='\u{1FFF}'
        | '\u{200C}'..='\u{200D}'
        | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}'
        | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}'
        | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}' => true,
        _ => false,
    }
}

/// XML 1.0 §2.3, production NameChar, without the colon.
fn is_name_char(c: char) -> bool {
    match c {
        '\0'..='\x7f' => is(c as u8, Class::NAME),
        '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}' => true,
        _ => is_name_start(c),
    }
}

/// XML 1.0 §2.2, production Char.
pub(crate) const fn is_char(c: char) -> bool {
    matches!(
        c,
        '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}'
    )
}

/// Returns `true` if `text` is ASCII that is allowed in XML, and needs no escaping in text and in
/// attribute values. Most values that are written are.
pub(crate) fn is_plain(text: &str) -> bool {
    // The compiler vectorizes the check of a block.
    let (blocks, rest) = text.as_bytes().as_chunks::<16>();
    let all_plain = |block: &[u8; 16]| block.iter().fold(true, |all, &b| all & is_plain_byte(b));
    blocks.iter().all(all_plain) && rest.iter().all(|&b| is(b, Class::PLAIN))
}

/// The classes of bytes found in a slice, computed in one pass that the compiler vectorizes.
#[derive(Clone, Copy, Default)]
pub(crate) struct ByteSummary {
    /// A byte below U+0020 other than tab and line feed: a carriage return or a forbidden one.
    pub(crate) control: bool,
    /// A byte above U+007F.
    pub(crate) high: bool,
    /// An `&`.
    pub(crate) ampersand: bool,
    /// A `>`.
    pub(crate) greater: bool,
}

pub(crate) fn summarize(bytes: &[u8]) -> ByteSummary {
    let mut control = 0u8;
    let mut high = 0u8;
    let mut ampersand = 0u8;
    let mut greater = 0u8;
    for &b in bytes {
        control |= u8::from(b < 0x20) & u8::from(b != b'\t') & u8::from(b != b'\n');
        high |= b;
        ampersand |= u8::from(b == b'&');
        greater |= u8::from(b == b'>');
    }
    ByteSummary {
        control: control != 0,
        high: high & 0x80 != 0,
        ampersand: ampersand != 0,
        greater: greater != 0,
    }
}

/// Returns the first character of `text` that XML 1.0 does not allow.
#[must_use]
pub fn forbidden(text: &str) -> Option<char> {
    let bytes = text.as_bytes();
    let summary = summarize(bytes);
    // Beyond ASCII, only U+FFFE and U+FFFF are forbidden; surrogates are not valid UTF-8.
    let suspect = (summary.control && bytes.iter().any(|&b| b < b' ' && !is_space(b)))
        || (summary.high && memchr::memmem::find(bytes, b"\xEF\xBF").is_some());
    if suspect {
        text.chars().find(|&c| !is_char(c))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_productions() {
        for good in ["a", "_", "a-b.c1", "é", "a\u{B7}", "日本", "\u{10000}x"] {
            assert!(is_ncname(good), "{good:?}");
        }
        for bad in [
            "", "1a", "-a", ".a", "a:b", "a b", "a\u{D7}", "\u{B7}a", "a/", "\u{300}a",
        ] {
            assert!(!is_ncname(bad), "{bad:?}");
        }
    }

    #[test]
    fn plain_text_needs_no_escaping_at_any_position() {
        for length in [0, 1, 15, 16, 17, 40] {
            let text = "x~\"\u{7f}".repeat(length)[..length].to_owned();
            assert!(is_plain(&text), "{length}");
            for at in 0..length {
                for special in [
                    "&", "<", ">", "'", "\t", "\n", "\0", "\u{1f}", "\u{80}", "é",
                ] {
                    let text = format!("{}{special}{}", &text[..at], &text[at..]);
                    assert!(!is_plain(&text), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn forbidden_finds_characters_not_allowed_in_xml() {
        assert_eq!(
            forbidden("tab\t, line\n, return\r, é, \u{1F514}, \u{FFFD}"),
            None
        );
        for bad in ['\0', '\u{1}', '\u{B}', '\u{1A}', '\u{FFFE}', '\u{FFFF}'] {
            assert_eq!(forbidden(&format!("a{bad}b")), Some(bad));
        }
    }
}
