//! Terms of the full-text index: words, and terms with a mark that no word contains.

use std::fmt::Write;

use crate::new_entry::{Class, payload};
use crate::tokenizer;

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
pub(super) fn words(text: &str) -> Option<Terms> {
    let words = tokenizer::query(text);
    if words.is_empty() && !text.trim().is_empty() {
        return None;
    }
    Some(
        words
            .into_iter()
            .map(|(text, beginning)| vec![Term { text, beginning }])
            .collect(),
    )
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
