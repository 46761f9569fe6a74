//! Tokenizer of the full-text index: splits text into normalized terms.
//!
//! A term is a word: a run of letters and digits, in lower case and without accents, or an emoji.
//! Of scripts that do not separate words by spaces, and of Korean, whose words have endings, the
//! terms are all pairs of adjacent characters, and the last character of a run: a search for a part
//! of a run finds the pairs of that part. Entries and searches of all stores pass through the same
//! functions, so both are normalized alike.

mod fold;
mod legacy;
mod search;
#[cfg(test)]
mod tests;
mod units;

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

pub(crate) use self::search::{Search, SearchTerm};
use self::units::{Unit, for_each_unit};

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
    /// Adds the terms of a text.
    pub(crate) fn add(&mut self, text: &str) {
        for_each_unit(text, |unit| match unit {
            Unit::Word(word) | Unit::Signed(word) => self.push(word),
            Unit::Dense(run) => for_each_pair(run, |pair| self.push(pair)),
        });
    }

    /// Adds the terms of a text as in schema version 2.
    pub(crate) fn add_version_2(&mut self, text: &str) {
        legacy::for_each_word(text, |word| self.push(word));
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

/// Calls `found` with each pair of adjacent characters, and with the last character.
fn for_each_pair(run: &str, mut found: impl FnMut(&str)) {
    let mut starts = run.char_indices().map(|(start, _)| start);
    let mut begin = starts.next();
    let mut ends = starts.skip(1).chain([run.len()]);
    while let Some(start) = begin {
        let end = ends.next().unwrap_or(run.len());
        found(&run[start..end]);
        begin = run[start..]
            .char_indices()
            .nth(1)
            .map(|(next, _)| start + next);
    }
}

/// Returns `true` if a text contains these words in this order, without others between them.
pub(crate) fn contains_phrase(text: &str, phrase: &[String]) -> bool {
    sequence(text)
        .windows(phrase.len().max(1))
        .any(|window| window == phrase)
}

/// Returns the words of a text in order; of dense scripts, the characters.
fn sequence(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for_each_unit(text, |unit| match unit {
        Unit::Word(word) | Unit::Signed(word) => words.push(word.to_owned()),
        Unit::Dense(run) => words.extend(run.chars().map(String::from)),
    });
    words
}
