//! What a text is found by: its words, in one spelling.
//!
//! A word is a run of letters and digits, in lower case and without accents. Each ideograph is a word of its own, since
//! nothing separates them. Words and queries go through the same function, so both always agree.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longer words are found by their beginning, in bytes.
const LONGEST: usize = 64;
/// Different words of one entry that are found; more would let one message weigh down the index.
const MOST: usize = 4096;

/// Collects the different words of several texts, separated by blanks.
#[derive(Debug, Default)]
pub(crate) struct Words {
    text: String,
    count: usize,
    /// Only where there are many: a short list is looked through faster.
    seen: HashSet<Box<str>>,
}

impl Words {
    /// Adds the words of a text.
    pub(crate) fn add(&mut self, text: &str) {
        each(text, |word| self.push(word));
    }

    /// The words, each once.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn push(&mut self, word: &str) {
        if self.count >= MOST || self.is_known(word) {
            return;
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(word);
        self.count += 1;
    }

    fn is_known(&mut self, word: &str) -> bool {
        if self.count < 16 {
            return self.text.split(' ').any(|known| known == word);
        }
        if self.seen.is_empty() {
            self.seen = self.text.split(' ').map(Box::from).collect();
        }
        !self.seen.insert(word.into())
    }
}

/// The words of a query, each with whether only its beginning is given (`bell*`).
pub(crate) fn query(text: &str) -> Vec<(String, bool)> {
    let mut words: Vec<(String, bool)> = Vec::new();
    for part in text.split_whitespace() {
        let before = words.len();
        each(part, |word| words.push((word.to_owned(), false)));
        if part.ends_with('*')
            && words.len() > before
            && let Some((_, beginning)) = words.last_mut()
        {
            *beginning = true;
        }
    }
    words.truncate(32);
    words
}

fn each(text: &str, mut found: impl FnMut(&str)) {
    let mut word = String::new();
    let mut emit = |word: &mut String| {
        if !word.is_empty() {
            found(word);
            word.clear();
        }
    };
    for c in text.chars() {
        if c.is_ascii() {
            if c.is_ascii_alphanumeric() {
                push(&mut word, c.to_ascii_lowercase());
            } else {
                emit(&mut word);
            }
            continue;
        }
        for c in std::iter::once(c).nfkd().filter(|c| !is_combining_mark(*c)) {
            if is_ideograph(c) {
                emit(&mut word);
                push(&mut word, c);
                emit(&mut word);
            } else if c.is_alphanumeric() {
                c.to_lowercase().for_each(|c| push(&mut word, c));
            } else {
                emit(&mut word);
            }
        }
    }
    emit(&mut word);
}

fn push(word: &mut String, c: char) {
    if word.len() + c.len_utf8() <= LONGEST {
        word.push(c);
    }
}

fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c), 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let mut words = Words::default();
        words.add(text);
        words.finish()
    }

    #[test]
    fn words_are_found_in_one_spelling() {
        assert_eq!(words("The bell, THE Bell; 12:30!"), "the bell 12 30");
        assert_eq!(words("Grüße é e\u{301} ﬁn ÀÉ"), "gruße e fin ae");
        assert_eq!(words("鐘楼で"), "鐘 楼 て");
        assert_eq!(words("\u{e000}a1 <b>"), "a1 b");
        assert_eq!(words(&"x".repeat(100)), "x".repeat(64));
        let many: String = (0..10_000).map(|n| format!("w{} ", n % 5000)).collect();
        assert_eq!(words(&many).split(' ').count(), MOST);
    }

    #[test]
    fn a_query_is_words_and_beginnings() {
        assert_eq!(query("Bell* tow-er"), [("bell".into(), true), ("tow".into(), false), ("er".into(), false)]);
        assert_eq!(query(" *! "), []);
    }
}
