//! Checks of character data as it arrives.

use super::ReadError;
use crate::xml::{chars, escape};

/// The maximum length of a reference. `&#x10FFFF;` is the longest without leading zeros.
const MAX_REFERENCE: usize = 64;

/// Returns the length of the prefix of `text` that can be checked before more bytes arrive.
///
/// An incomplete character, an incomplete reference and brackets that may start `]]>` are held
/// back. These are few bytes, so that scanning them again is cheap for any size of pieces.
pub(super) fn complete(text: &[u8], cdata: bool) -> usize {
    let tail = text.len().saturating_sub(MAX_REFERENCE);
    if !cdata
        && let Some(at) = memchr::memrchr(b'&', &text[tail..])
        && memchr::memchr(b';', &text[tail + at..]).is_none()
    {
        return tail + at;
    }
    let brackets = text
        .iter()
        .rev()
        .take(2)
        .take_while(|&&b| b == b']')
        .count();
    text.len() - brackets.max(unfinished(text))
}

/// Returns the length of an incomplete UTF-8 sequence at the end of `text`.
fn unfinished(text: &[u8]) -> usize {
    for back in 1..=text.len().min(3) {
        let byte = text[text.len() - back];
        if byte & 0xC0 == 0x80 {
            continue;
        }
        let length = match byte {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF7 => 4,
            _ => 1,
        };
        return if length > back { back } else { 0 };
    }
    0
}

/// Checks a piece of character data. Returns `true` if it contains a carriage return, which must be
/// normalized (XML 1.0 §2.11).
pub(super) fn check(text: &[u8], cdata: bool) -> Result<bool, ReadError> {
    let summary = chars::summarize(text);
    if summary.high || summary.control {
        check_characters(text, cdata)?;
    }
    if !cdata && summary.ampersand {
        check_references(text)?;
    }
    // XML 1.0 §2.4: `]]>` must not appear in character data.
    if !cdata && summary.greater && memchr::memmem::find(text, b"]]>").is_some() {
        return Err(ReadError::NotWellFormed("`]]>` in character data"));
    }
    Ok(summary.control)
}

fn check_characters(text: &[u8], cdata: bool) -> Result<(), ReadError> {
    match std::str::from_utf8(text) {
        Ok(text) if chars::forbidden(text).is_some() => {
            Err(ReadError::NotWellFormed("forbidden character"))
        }
        Ok(_) => Ok(()),
        // The first violation decides, so that the error does not depend on how the text was split.
        Err(error) => check(&text[..error.valid_up_to()], cdata).and(Err(ReadError::Encoding)),
    }
}

/// Checks that every `&` starts a reference that XML itself defines.
pub(super) fn check_references(text: &[u8]) -> Result<(), ReadError> {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'&', rest) {
        rest = &rest[at + 1..];
        let end = memchr::memchr(b';', &rest[..rest.len().min(MAX_REFERENCE)])
            .ok_or(ReadError::NotWellFormed("unterminated reference"))?;
        if escape::resolve_reference(&rest[..end]).is_none() {
            return Err(ReadError::NotWellFormed(
                "reference to an unknown entity or a forbidden character",
            ));
        }
        rest = &rest[end + 1..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_sequences_are_held_back() {
        let cases: [(&[u8], usize); 10] = [
            (b"abc", 3),
            (b"abc&am", 3),
            (b"abc&amp;d", 9),
            (b"abc&amp;&", 8),
            (b"abc]", 3),
            (b"abc]]", 3),
            (b"abc]]]", 4),
            ("abcé".as_bytes(), 5),
            (&"abcé".as_bytes()[..4], 3),
            (&"ab\u{1F514}".as_bytes()[..5], 2),
        ];
        for (text, wanted) in cases {
            assert_eq!(complete(text, false), wanted, "{text:?}");
        }
        assert_eq!(complete(b"abc&am", true), 6);
    }

    #[test]
    fn unterminated_reference_is_rejected() {
        let reference = |zeros: usize| format!("&#{}65;", "0".repeat(zeros)).into_bytes();
        assert_eq!(check(&reference(MAX_REFERENCE - 4), false), Ok(false));
        assert!(check(&reference(MAX_REFERENCE - 3), false).is_err());
        let endless = reference(300);
        // It is held back only while it may still become valid.
        assert_eq!(complete(&endless[..MAX_REFERENCE], false), 0);
        assert_eq!(
            complete(&endless[..=MAX_REFERENCE], false),
            MAX_REFERENCE + 1
        );
        assert!(check(&endless[..=MAX_REFERENCE], false).is_err());
    }

    #[test]
    fn invalid_text_is_rejected() {
        for bad in [
            b"a\x01".as_slice(),
            b"a&b;",
            b"a]]>b",
            "\u{FFFE}".as_bytes(),
            b"\x01\xFF",
        ] {
            assert!(
                matches!(check(bad, false), Err(ReadError::NotWellFormed(_))),
                "{bad:?}"
            );
        }
        for bad in [
            b"\xFF".as_slice(),
            b"\xC0\x80",
            b"\xED\xA0\x80",
            b"\xFF\x01",
        ] {
            assert_eq!(check(bad, true), Err(ReadError::Encoding), "{bad:?}");
        }
        assert_eq!(check(b"a]]b>", false), Ok(false));
        assert_eq!(check(b"a&b]]>", true), Ok(false));
        assert_eq!(check(b"a\r\n", false), Ok(true));
    }
}
