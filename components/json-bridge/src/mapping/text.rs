//! JSON as text. It is preserved verbatim, so that numbers of any size and all escapes pass
//! unchanged.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// Maximum nesting depth of JSON in both directions, equal to the limit of most parsers.
pub const MAX_DEPTH: usize = 127;

/// Validates the JSON of a container and returns it without surrounding whitespace.
///
/// # Errors
/// Returns a message if the text is not JSON, or nested deeper than [`MAX_DEPTH`].
pub(super) fn checked(text: &str) -> Result<&str, String> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    if depth(text) > MAX_DEPTH {
        return Err(format!("nested deeper than {MAX_DEPTH}"));
    }
    // Validates the syntax without building a value.
    serde_json::from_str::<&RawValue>(text).map_err(|error| error.to_string())?;
    Ok(text)
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
