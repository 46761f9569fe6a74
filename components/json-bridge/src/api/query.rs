//! Query strings and forms.

use std::collections::HashMap;

use super::problem::Problem;

/// Parses a query string or a form.
///
/// # Errors
/// Returns a problem that names the parameter, if its value is not UTF-8 or if it is repeated: the
/// server cannot know which value is meant.
pub(super) fn query(text: Option<&str>) -> Result<HashMap<String, String>, Problem> {
    let mut parameters = HashMap::new();
    for pair in text
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        // A pair holds one parameter, whose name and value are decoded with replacement characters.
        for (name, value) in form_urlencoded::parse(pair.as_bytes()) {
            if !is_utf8(pair) {
                let why = "the value is not UTF-8; percent-encode the bytes of UTF-8";
                return Err(Problem::new(400, why).field(name));
            }
            if parameters
                .insert(name.to_string(), value.into_owned())
                .is_some()
            {
                let why = "given more than once; send one value";
                return Err(Problem::new(400, why).field(name));
            }
        }
    }
    Ok(parameters)
}

/// Returns `true` if the percent-encoded bytes of a pair are UTF-8.
fn is_utf8(pair: &str) -> bool {
    let bytes = pair.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = pair
            .get(at + 1..at + 3)
            .filter(|digits| byte == b'%' && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    std::str::from_utf8(&decoded).is_ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn query_is_decoded() {
        let query = super::query(Some("a=1&b=x%40y+z&c&&d=%4&e=%EF%BF%BD&f=%zz%+")).unwrap();
        assert_eq!(
            (&*query["a"], &*query["b"], &*query["c"], &*query["d"]),
            ("1", "x@y z", "", "%4")
        );
        assert_eq!((&*query["e"], &*query["f"]), ("\u{FFFD}", "%zz% "));
    }
}
