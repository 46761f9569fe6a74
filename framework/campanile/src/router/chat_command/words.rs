//! Splits a message into words.

/// Quotation marks that group words. Phones insert the curly ones automatically.
const OPENING: [char; 2] = ['"', '“'];
const CLOSING: [char; 3] = ['"', '”', '“'];

/// Returns the text after the first `words` words.
pub(super) fn skip(written: &str, words: usize) -> &str {
    (0..words).fold(written, |rest, _| {
        let rest = rest.trim_start();
        rest.find(char::is_whitespace)
            .map_or("", |end| &rest[end..])
    })
}

/// Splits the text into at most `most` words; the last one takes the rest of the text.
pub(crate) fn split(written: &str, most: usize) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = written.trim();
    while !rest.is_empty() && words.len() < most {
        let (word, behind) = word(rest);
        if words.len() + 1 == most && !behind.is_empty() {
            words.push(rest.to_owned());
            break;
        }
        words.push(word.to_owned());
        rest = behind;
    }
    words
}

/// Splits off the first word, without its quotation marks.
fn word(text: &str) -> (&str, &str) {
    let quoted = text
        .strip_prefix(OPENING)
        .and_then(|inner| inner.split_once(CLOSING));
    // A quotation mark within a word does not group anything: `5"x7"`.
    let quoted =
        quoted.filter(|(_, behind)| behind.is_empty() || behind.starts_with(char::is_whitespace));
    let (word, behind) = quoted
        .or_else(|| text.split_once(char::is_whitespace))
        .unwrap_or((text, ""));
    (word, behind.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_groups_quoted_words_and_keeps_the_rest() {
        let rows: [(&str, usize, &[&str]); 12] = [
            ("", 2, &[]),
            ("  ", 2, &[]),
            ("a", 0, &[]),
            (" a  b ", 2, &["a", "b"]),
            ("a b c", 2, &["a", "b c"]),
            ("a b\n c ", 1, &["a b\n c"]),
            ("\"a b\" c", 2, &["a b", "c"]),
            ("“a b” c", 2, &["a b", "c"]),
            ("\"a b\"", 1, &["a b"]),
            ("\"a b\" c", 1, &["\"a b\" c"]),
            ("\"a b", 2, &["\"a", "b"]),
            ("\"a\"b c", 2, &["\"a\"b", "c"]),
        ];
        for (written, most, wanted) in rows {
            assert_eq!(split(written, most), wanted, "{written:?}");
        }
        assert_eq!(split("\"\" b", 2), ["", "b"]);
    }

    #[test]
    fn skip_removes_leading_words() {
        assert_eq!(skip(" !list  add  eggs ", 2), "  eggs ");
        assert_eq!(skip("!list", 1), "");
        assert_eq!(skip("!list", 2), "");
    }
}
