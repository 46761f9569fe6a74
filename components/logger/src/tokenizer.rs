//! What a text is found by: its words, in one spelling.
//!
//! A word is a run of letters and digits, in lower case and without accents. Each ideograph is a
//! word of its own, since nothing separates them. Words and queries go through the same function,
//! so both always agree.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longer words are found by their beginning, in bytes.
const MAX_WORD_BYTES: usize = 64;
/// Phones write the curly ones by themselves.
const QUOTATION_MARKS: [char; 4] = ['"', '“', '”', '„'];
/// Different words of one entry that are found; more would let one message weigh down the index.
const MAX_WORDS: usize = 4096;

/// Collects the different words of several texts, separated by blanks.
#[derive(Debug, Default)]
pub(crate) struct WordSet {
    text: String,
    count: usize,
    /// A table of where each word begins in `text`, plus one; 0 is free. A word is no allocation of
    /// its own.
    starts: Vec<u32>,
}

/// Nobody can choose words that all fall into the same place of the table.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl WordSet {
    /// Adds the words of a text.
    pub(crate) fn add(&mut self, text: &str) {
        for_each_word(text, |word| self.push(word));
    }

    /// The words, each once.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn push(&mut self, word: &str) {
        if self.count >= MAX_WORDS {
            return;
        }
        if self.starts.len() <= self.count * 2 {
            self.grow();
        }
        let Some(free) = self.place(word) else { return };
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        // Words are bounded in number and length: they all begin within four gigabytes.
        self.starts[free] = u32::try_from(self.text.len() + 1).unwrap_or(u32::MAX);
        self.text.push_str(word);
        self.count += 1;
    }

    /// Where in the table a word that is new belongs; `None` when it is known.
    fn place(&self, word: &str) -> Option<usize> {
        let mask = self.starts.len() - 1;
        let mut at = HASHER.hash_one(word) as usize & mask;
        loop {
            let begin = self.starts[at] as usize;
            if begin == 0 {
                return Some(at);
            }
            let known = &self.text[begin - 1..];
            if known
                .strip_prefix(word)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.starts.len() * 4).max(64);
        let old = std::mem::replace(&mut self.starts, vec![0; size]);
        for begin in old.into_iter().filter(|begin| *begin > 0) {
            let word = self.text[begin as usize - 1..]
                .split(' ')
                .next()
                .unwrap_or_default();
            if let Some(free) = self.place(word) {
                self.starts[free] = begin;
            }
        }
    }
}

/// The words of a query, each with whether only its beginning is given (`bell*`). Words between
/// quotation marks are among them, and stand one behind the other: see [`phrases`].
pub(crate) fn query(text: &str) -> Vec<(String, bool)> {
    let mut words: Vec<(String, bool)> = Vec::new();
    for part in text.split_whitespace() {
        let before = words.len();
        for_each_word(part, |word| words.push((word.to_owned(), false)));
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

/// What stands between quotation marks in a query, where it is more than one word.
pub(crate) fn phrases(text: &str) -> Vec<Vec<String>> {
    let mut quoted = text.split(QUOTATION_MARKS).skip(1);
    let mut phrases = Vec::new();
    while let Some(phrase) = quoted.next() {
        let phrase = sequence(phrase);
        // A mark that nothing closes begins no phrase.
        if quoted.next().is_some() && phrase.len() > 1 {
            phrases.push(phrase);
        }
    }
    phrases
}

/// Whether these words stand one behind the other in a text.
pub(crate) fn contains_phrase(text: &str, phrase: &[String]) -> bool {
    sequence(text)
        .windows(phrase.len().max(1))
        .any(|window| window == phrase)
}

fn sequence(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for_each_word(text, |word| words.push(word.to_owned()));
    words
}

fn for_each_word(text: &str, mut found: impl FnMut(&str)) {
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
    if word.len() + c.len_utf8() <= MAX_WORD_BYTES {
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
        let mut words = WordSet::default();
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
        assert_eq!(words(&many).split(' ').count(), MAX_WORDS);
    }

    #[test]
    fn a_query_is_words_and_beginnings() {
        assert_eq!(
            query("Bell* tow-er"),
            [
                ("bell".into(), true),
                ("tow".into(), false),
                ("er".into(), false)
            ]
        );
        assert_eq!(query(" *! "), []);
        assert_eq!(
            query("\"the bell* r\" x"),
            [
                ("the".into(), false),
                ("bell".into(), true),
                ("r".into(), false),
                ("x".into(), false)
            ]
        );
    }

    #[test]
    fn a_phrase_is_words_one_behind_the_other() {
        assert_eq!(
            phrases("\"The Bell\" x \"one\" \"é-f g\" \"open end"),
            [vec!["the", "bell"], vec!["e", "f", "g"]]
        );
        assert_eq!(phrases("„The Bell“ “a b”"), [["the", "bell"], ["a", "b"]]);
        assert_eq!(phrases("the bell"), Vec::<Vec<String>>::new());
        let [phrase] = &phrases("\"the bell\"")[..] else {
            panic!("one phrase")
        };
        assert!(contains_phrase("Ring THE, bell!", phrase));
        assert!(
            !contains_phrase("the big bell", phrase)
                && !contains_phrase("bell the", phrase)
                && !contains_phrase("", phrase)
        );
    }
}
