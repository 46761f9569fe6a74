//! JSON as text: kept as it is written, so that numbers of any size and escapes of any kind pass
//! unchanged.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// Deepest nesting of JSON taken, in either direction: what most parsers take.
pub const MAX_DEPTH: usize = 127;

/// The JSON of a container, without the space around it.
///
/// # Errors
/// When it is no JSON, or too deep.
pub(super) fn checked(text: &str) -> Result<&str, String> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    if depth(text) > MAX_DEPTH {
        return Err(format!("nested deeper than {MAX_DEPTH}"));
    }
    // Validates the syntax and keeps nothing.
    serde_json::from_str::<&RawValue>(text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// The same JSON in characters that XML can carry: U+FFFE and U+FFFF stand in strings only, and get
/// escaped there.
pub(super) fn for_xml(json: &str) -> Cow<'_, str> {
    if !json.contains(['\u{FFFE}', '\u{FFFF}']) {
        return Cow::Borrowed(json);
    }
    Cow::Owned(
        json.replace('\u{FFFE}', "\\ufffe")
            .replace('\u{FFFF}', "\\uffff"),
    )
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// XML 1.0 §2.2.
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
            "1e400",
            "123456789012345678901234567890",
            r#""\u0000""#,
            r#"{"a":[1,"]"]}"#,
            r#""\ud800""#,
        ] {
            assert_eq!(checked(&format!(" \n{good}\t")), Ok(good));
        }
        for bad in ["", "{", "nul", "{'a':1}", "1 2", "\"\u{1}\"", "[1,]", "NaN"] {
            assert!(checked(bad).is_err(), "{bad}");
        }
        assert!(checked(&format!("{}{}", "[".repeat(127), "]".repeat(127))).is_ok());
        assert!(checked(&format!("{}{}", "[".repeat(128), "]".repeat(128))).is_err());
    }

    #[test]
    fn xml_forbidden_characters_are_escaped() {
        assert_eq!(for_xml("\"a\u{FFFE}\u{FFFF}\""), "\"a\\ufffe\\uffff\"");
    }
}
