//! JSON as text. It is preserved verbatim, so that all digits of numbers and all escapes pass
//! unchanged.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// Maximum nesting depth of JSON in both directions, equal to the limit of most parsers.
pub const MAX_DEPTH: usize = 127;

/// Validates the JSON of a container and returns it without surrounding whitespace.
///
/// # Errors
/// Returns a message if the text is not JSON, nested deeper than [`MAX_DEPTH`], or holds a number
/// beyond the range of a double, on which the JSON parsers of many languages fail.
pub(super) fn checked(text: &str) -> Result<&str, String> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    if depth(text) > MAX_DEPTH {
        return Err(format!("nested deeper than {MAX_DEPTH}"));
    }
    // Validates the syntax without building a value.
    serde_json::from_str::<&RawValue>(text).map_err(|error| error.to_string())?;
    if has_huge_number(text) {
        return Err("a number is beyond the range of a double, ±1.8e308".to_owned());
    }
    Ok(text)
}

/// Returns `true` if valid JSON holds a number that is infinite as a double.
fn has_huge_number(json: &str) -> bool {
    // Strings are the parts between quotation marks that no backslash escapes.
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        rest = &rest[at..];
        if rest.starts_with('"') {
            rest = &rest[string_end(rest)..];
            continue;
        }
        let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let end = rest.find(|c| !is_of_number(c)).unwrap_or(rest.len());
        if rest[..end].parse::<f64>().is_ok_and(f64::is_infinite) {
            return true;
        }
        rest = &rest[end..];
    }
    false
}

/// Returns the length of the string that a text starts with, including its quotation marks.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Removes a byte order mark, which some editors and libraries write (RFC 8259 §8.1).
pub(crate) fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{FEFF}').unwrap_or(text)
}

/// Escapes U+FFFE and U+FFFF, which XML does not allow. In valid JSON they occur only in strings.
pub(super) fn for_xml(json: &str) -> Cow<'_, str> {
    if !json.contains(['\u{FFFE}', '\u{FFFF}']) {
        return Cow::Borrowed(json);
    }
    Cow::Owned(
        json.replace('\u{FFFE}', "\\ufffe")
            .replace('\u{FFFF}', "\\uffff"),
    )
}

/// Returns a text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns the first character that XML does not allow (XML 1.0 §2.2).
pub(super) fn forbidden(text: &str) -> Option<char> {
    let is_bad = |c: char| {
        (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{FFFE}' | '\u{FFFF}')
    };
    text.chars().find(|&c| is_bad(c))
}

fn depth(json: &str) -> usize {
    let mut depth = 0usize;
    let mut deepest = 0;
    let mut in_string = false;
    let mut escaped = false;
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_validated_and_kept_verbatim() {
        for good in [
            "1e308",
            "123456789012345678901234567890",
            r#"["1e999",0.1e-999]"#,
            r#""\"1e999""#,
            r#""\u0000""#,
            r#"{"a":[1,"]"]}"#,
            r#""\ud800""#,
        ] {
            assert_eq!(checked(&format!(" \n{good}\t")), Ok(good));
        }
        for bad in ["", "{", "nul", "{'a':1}", "1 2", "\"\u{1}\"", "[1,]", "NaN"] {
            assert!(checked(bad).is_err(), "{bad}");
        }
        for huge in ["1e999", "[-1.5E+400]", &"9".repeat(5001), r#"{"\\":1e309}"#] {
            assert!(checked(huge).is_err(), "{huge}");
        }
        assert!(checked(&format!("{}{}", "[".repeat(127), "]".repeat(127))).is_ok());
        assert!(checked(&format!("{}{}", "[".repeat(128), "]".repeat(128))).is_err());
    }

    #[test]
    fn xml_forbidden_characters_are_escaped() {
        assert_eq!(for_xml("\"a\u{FFFE}\u{FFFF}\""), "\"a\\ufffe\\uffff\"");
    }
}
