//! What somebody wrote, in words.

/// Marks that hold words together. Phones write the curly ones by themselves.
const OPENING: [char; 2] = ['"', '“'];
const CLOSING: [char; 3] = ['"', '”', '“'];

/// What stands behind the first words.
pub(super) fn skip(written: &str, words: usize) -> &str {
    (0..words).fold(written, |rest, _| {
        let rest = rest.trim_start();
        rest.find(char::is_whitespace)
            .map_or("", |end| &rest[end..])
    })
}

/// At most so many words; the last one is everything that is left.
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

/// The first word without its quotation marks, and what stands behind it.
fn word(text: &str) -> (&str, &str) {
    let quoted = text
        .strip_prefix(OPENING)
        .and_then(|inner| inner.split_once(CLOSING));
    // A mark within a word holds nothing together: `5"x7"`.
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
    fn words_are_held_together_by_marks_and_the_last_takes_the_rest() {
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
    fn what_stands_behind_words() {
        assert_eq!(skip(" !list  add  eggs ", 2), "  eggs ");
        assert_eq!(skip("!list", 1), "");
        assert_eq!(skip("!list", 2), "");
    }
}
