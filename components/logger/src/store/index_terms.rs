//! What the index holds for each entry, and what it is asked: words, and terms that no text can
//! contain.

use std::fmt::Write;

use crate::new_entry::{Class, payload};
use crate::tokenizer;

/// Begins every term that is no word. No word contains it, so nobody can write one.
const MARK: char = '§';

/// One thing that an entry may have in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) text: String,
    /// Any term that begins like this.
    pub(super) beginning: bool,
}

/// All of these, of each at least one.
pub(super) type Terms = Vec<Vec<Term>>;

impl Term {
    fn exact(text: String) -> Self {
        Self {
            text,
            beginning: false,
        }
    }

    /// In this archive, of this class.
    pub(super) fn archive(archive: i64, class: Class) -> Self {
        Self::exact(format!("{MARK}a{archive}{}", letter(class)))
    }

    /// Sent or received by this party.
    pub(super) fn party(party: i64) -> Self {
        Self::exact(format!("{MARK}p{party}"))
    }

    /// With this payload.
    pub(super) fn payload(namespace: &str, name: &str) -> Self {
        Self::exact(format!("{MARK}x{:x}", payload(namespace, name)))
    }
}

/// The words of a query; `None` when there is text, and no word in it: nothing can match.
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

/// All terms of one entry, separated by blanks.
pub(super) fn of_entry(
    archive: i64,
    class: Class,
    parties: impl IntoIterator<Item = i64>,
    payloads: &[u64],
    words: &str,
    out: &mut String,
) {
    out.clear();
    // Writing to a string does not fail.
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
