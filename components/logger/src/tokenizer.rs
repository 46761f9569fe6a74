//! Tokenizer of the full-text index: splits text into normalized words.
//!
//! A word is a run of letters and digits, in lower case and without accents. Each ideograph is a
//! word of its own, as ideographs are not separated by spaces. Entries and queries pass through the
//! same function, so both are normalized alike.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Words are truncated to this many bytes.
const MAX_WORD_BYTES: usize = 64;
/// Phone keyboards substitute the typographic ones.
const QUOTATION_MARKS: [char; 4] = ['"', '“', '”', '„'];
/// Maximum number of distinct words per entry, so that one message cannot bloat the index.
const MAX_WORDS: usize = 4096;

/// Collects the distinct words of several texts, separated by spaces.
#[derive(Debug, Default)]
pub(crate) struct WordSet {
    text: String,
    count: usize,
    /// A hash table of the offset of each word in `text`, plus one; 0 is a free slot. Words need no
    /// allocation of their own.
    starts: Vec<u32>,
}

/// Randomly keyed, so that a sender cannot craft words that collide in the table.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl WordSet {
    /// Adds the words of a text.
    pub(crate) fn add(&mut self, text: &str) {
        for_each_word(text, |word| self.push(word));
    }

    /// Returns the distinct words.
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
        // Words are bounded in number and length, so every offset is below 4 GiB.
        self.starts[free] = u32::try_from(self.text.len() + 1).unwrap_or(u32::MAX);
        self.text.push_str(word);
        self.count += 1;
    }

    /// Returns the free slot for a new word; `None` if the word is in the table.
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

/// Splits a query into words, each with a flag for prefix matches (`bell*`). The words of quoted
/// phrases are included; see [`phrases`] for their order.
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
    words
}

/// Returns the quoted phrases of a query that have more than one word.
pub(crate) fn phrases(text: &str) -> Vec<Vec<String>> {
    let mut quoted = text.split(QUOTATION_MARKS).skip(1);
    let mut phrases = Vec::new();
    while let Some(phrase) = quoted.next() {
        let phrase = sequence(phrase);
        // An unclosed quotation mark does not start a phrase.
        if quoted.next().is_some() && phrase.len() > 1 {
            phrases.push(phrase);
        }
    }
    phrases
}

/// Returns `true` if a text contains these words in this order, without others between them.
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
    matches!(
        u32::from(c),
        0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff
            | 0x2_0000..=0x3_ffff
    )
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
    fn words_are_normalized() {
        assert_eq!(words("The bell, THE Bell; 12:30!"), "the bell 12 30");
        assert_eq!(words("Grüße é e\u{301} ﬁn ÀÉ"), "gruße e fin ae");
        assert_eq!(words("鐘楼で"), "鐘 楼 て");
        assert_eq!(words("\u{e000}a1 <b>"), "a1 b");
        assert_eq!(words(&"x".repeat(100)), "x".repeat(64));
        let many: String = (0..10_000).map(|n| format!("w{} ", n % 5000)).collect();
        assert_eq!(words(&many).split(' ').count(), MAX_WORDS);
    }

    #[test]
    fn query_parses_words_and_prefixes() {
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
    fn phrases_match_consecutive_words() {
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
