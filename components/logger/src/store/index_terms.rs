//! Terms of the full-text index: words, and terms with a mark that no word contains.

use std::fmt::Write;

use crate::new_entry::{Class, payload};
use crate::tokenizer::{Search, SearchTerm};

use super::StoreError;

/// The prefix of every term that is not a word. Words never contain it, so a message cannot forge
/// such a term.
const MARK: char = '§';

/// One term of the index.
pub(super) type Term = SearchTerm;

/// The terms of a query.
#[derive(Debug, Default)]
pub(super) struct Terms {
    /// A conjunction of groups. Of each group, at least one alternative must match, with all its
    /// terms.
    pub(super) all: Vec<Vec<Vec<Term>>>,
    /// None of these may match.
    pub(super) none: Vec<Vec<Term>>,
}

impl Terms {
    /// Requires one of these terms.
    pub(super) fn require(&mut self, any: impl IntoIterator<Item = Term>) {
        self.all
            .push(any.into_iter().map(|term| vec![term]).collect());
    }
}

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
/// [`StoreError::Query`] if the search cannot be evaluated, or would read too much of the index: a
/// prefix such as `a*` matches a large part of all entries, whose lists are merged in memory.
pub(super) fn words(text: &str) -> Result<Option<Terms>, StoreError> {
    let search = Search::parse(text).map_err(StoreError::Query)?;
    if search.all.is_empty() && !text.trim().is_empty() {
        return Ok(None);
    }
    Ok(Some(Terms {
        all: search.all,
        none: search.none,
    }))
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
