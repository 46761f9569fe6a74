//! Terms of the full-text index: words, and terms with a mark that no word contains.

use std::fmt::Write;

use crate::new_entry::{Class, payload};
use crate::tokenizer;

use super::StoreError;

/// Maximum number of words of a search.
const MAX_WORDS: usize = 32;
/// Maximum number of words that match as prefixes.
const MAX_PREFIXES: usize = 4;
/// Minimum number of letters of a prefix.
const MIN_PREFIX: usize = 3;

/// The prefix of every term that is not a word. Words never contain it, so a message cannot forge
/// such a term.
const MARK: char = '§';

/// One term of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) text: String,
    /// `true` to match as a prefix.
    pub(super) beginning: bool,
}

/// A conjunction of groups; of each group, at least one term must match.
pub(super) type Terms = Vec<Vec<Term>>;

impl Term {
    fn exact(text: String) -> Self {
        Self {
            text,
            beginning: false,
        }
    }

    /// Matches the entries of a class in an archive.
    pub(super) fn archive(archive: i64, class: Class) -> Self {
        Self::exact(format!("{MARK}a{archive}{}", letter(class)))
    }

    /// Matches the entries sent or received by a party.
    pub(super) fn party(party: i64) -> Self {
        Self::exact(format!("{MARK}p{party}"))
    }

    /// Matches the entries with a payload.
    pub(super) fn payload(namespace: &str, name: &str) -> Self {
        Self::exact(format!("{MARK}x{:x}", payload(namespace, name)))
    }
}

/// Returns the terms of a search text; `None` if the text has no word, so that nothing can match.
///
/// # Errors
/// [`StoreError::Query`] if the search would read too much of the index: a prefix such as `a*`
/// matches a large part of all entries, whose lists are merged in memory.
pub(super) fn words(text: &str) -> Result<Option<Terms>, StoreError> {
    let words = tokenizer::query(text);
    if words.is_empty() && !text.trim().is_empty() {
        return Ok(None);
    }
    if words.len() > MAX_WORDS {
        return Err(StoreError::Query(format!(
            "a search has at most {MAX_WORDS} words"
        )));
    }
    let prefixes = words.iter().filter(|(_, beginning)| *beginning);
    if prefixes.clone().count() > MAX_PREFIXES {
        return Err(StoreError::Query(format!(
            "at most {MAX_PREFIXES} words of a search may end with *"
        )));
    }
    if let Some((short, _)) = prefixes.clone().find(|(word, _)| is_short_prefix(word)) {
        return Err(StoreError::Query(format!(
            "{short}* matches too much: write at least {MIN_PREFIX} letters before *"
        )));
    }
    let term = |(text, beginning)| vec![Term { text, beginning }];
    Ok(Some(words.into_iter().map(term).collect()))
}

/// Letters of other scripts than Latin, Greek and Cyrillic are rarer each.
fn is_short_prefix(word: &str) -> bool {
    word.chars().count() < MIN_PREFIX && word.chars().all(|c| c < '\u{530}')
}

/// Writes all terms of an entry to `out`, separated by spaces.
pub(super) fn of_entry(
    archive: i64,
    class: Class,
    parties: impl IntoIterator<Item = i64>,
    payloads: &[u64],
    words: &str,
    out: &mut String,
) {
    out.clear();
    // Writing to a string cannot fail.
    let _ = write!(out, "{MARK}a{archive}{}", letter(class));
    for party in parties {
        let _ = write!(out, " {MARK}p{party}");
    }
    for payload in payloads {
        let _ = write!(out, " {MARK}x{payload:x}");
    }
    if !words.is_empty() {
        out.push(' ');
        out.push_str(words);
    }
}

fn letter(class: Class) -> char {
    match class {
        Class::Message => 'm',
        Class::Groupchat => 'g',
        Class::Presence => 'p',
        Class::Iq => 'i',
    }
}
