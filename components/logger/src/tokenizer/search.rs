//! The syntax of searches: words, `prefix*`, `"a phrase"`, `a OR b`, and `-excluded`.

use super::units::{Unit, for_each_unit};
use super::{for_each_pair, sequence};

/// Phone keyboards substitute the typographic ones.
const QUOTATION_MARKS: [char; 4] = ['"', '“', '”', '„'];
/// Maximum number of words.
const MAX_WORDS: usize = 32;
/// Maximum number of terms, into which words of dense scripts are split.
const MAX_TERMS: usize = 128;
/// Maximum number of words that match as prefixes.
const MAX_PREFIXES: usize = 4;
/// Minimum number of letters of a prefix.
const MIN_PREFIX: usize = 3;

/// A term of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SearchTerm {
    pub(crate) text: String,
    /// `true` to match as a prefix.
    pub(crate) beginning: bool,
}

/// Terms that must all occur.
type Conjunction = Vec<SearchTerm>;

/// A parsed search.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Search {
    /// Of each group, at least one alternative must match.
    pub(crate) all: Vec<Vec<Conjunction>>,
    /// None of these may match.
    pub(crate) none: Vec<Conjunction>,
    /// Words that must occur in this order, without others between them.
    pub(crate) phrases: Vec<Vec<String>>,
    prefixes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    Word(&'t str),
    Phrase(&'t str),
    Excluded(&'t str),
    ExcludedPhrase,
    Or,
}

impl Search {
    /// Parses a search.
    ///
    /// # Errors
    /// The reason and the remedy, if the search has a meaning that cannot be evaluated, or would
    /// read too much of the index.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut search = Self::default();
        let mut joins = false;
        let mut after_word = false;
        let tokens = tokens(text);
        let words = tokens.iter().filter(|token| **token != Token::Or).count();
        if words > MAX_WORDS {
            return Err(format!("a search has at most {MAX_WORDS} words"));
        }
        for token in tokens {
            match token {
                Token::Word(word) => {
                    let terms = search.word(word)?;
                    match search.all.last_mut() {
                        _ if terms.is_empty() => {}
                        Some(group) if joins => group.push(terms),
                        _ => search.all.push(vec![terms]),
                    }
                }
                Token::Phrase(_) | Token::Excluded(_) | Token::ExcludedPhrase if joins => {
                    return Err("OR joins single words only: write bell OR tower".to_owned());
                }
                Token::Phrase(phrase) => search.phrase(phrase),
                Token::Excluded(word) => {
                    let terms = search.word(word)?;
                    search
                        .none
                        .extend(Some(terms).filter(|terms| !terms.is_empty()));
                }
                Token::ExcludedPhrase => {
                    return Err("- excludes single words only: write -bell -tower".to_owned());
                }
                Token::Or if !after_word => {
                    return Err("OR stands between two words: write bell OR tower".to_owned());
                }
                Token::Or => {}
            }
            joins = token == Token::Or;
            after_word = matches!(token, Token::Word(_));
        }
        search.check(joins)
    }

    fn check(self, ends_with_or: bool) -> Result<Self, String> {
        if ends_with_or {
            return Err("OR stands between two words: write bell OR tower".to_owned());
        }
        if self.all.is_empty() && !self.none.is_empty() {
            return Err("a search needs a word without - before it".to_owned());
        }
        let terms = self.all.iter().flatten().chain(&self.none).flatten();
        if terms.count() > MAX_TERMS {
            return Err("the search is too long; write fewer words".to_owned());
        }
        if self.prefixes > MAX_PREFIXES {
            return Err(format!(
                "at most {MAX_PREFIXES} words of a search may end with *"
            ));
        }
        Ok(self)
    }

    /// Returns the terms of a word, and checks a prefix.
    fn word(&mut self, word: &str) -> Result<Conjunction, String> {
        let is_dense = ends_dense(word);
        let mut terms = terms(word);
        if word.ends_with('*')
            && !is_dense
            && let Some(last) = terms.last_mut()
        {
            if last.text.chars().count() < MIN_PREFIX {
                return Err(format!(
                    "{}* matches too much: write at least {MIN_PREFIX} letters before *",
                    last.text
                ));
            }
            last.beginning = true;
            self.prefixes += 1;
        }
        Ok(terms)
    }

    fn phrase(&mut self, phrase: &str) {
        let terms = terms(phrase);
        if !terms.is_empty() {
            self.all.push(vec![terms]);
        }
        let words = sequence(phrase);
        if words.len() > 1 {
            self.phrases.push(words);
        }
    }
}

/// Returns the terms that all occur in a text which contains this one.
fn terms(text: &str) -> Conjunction {
    let mut terms: Conjunction = Vec::new();
    let exact = |text: &str| SearchTerm {
        text: text.to_owned(),
        beginning: false,
    };
    for_each_unit(text, |unit| match unit {
        Unit::Word(word) => terms.push(exact(word)),
        // More specific than the word alone.
        Unit::Signed(word) => {
            terms.pop();
            terms.push(exact(word));
        }
        Unit::Dense(run) if run.chars().nth(1).is_none() => terms.push(SearchTerm {
            text: run.to_owned(),
            beginning: true,
        }),
        Unit::Dense(run) => {
            for_each_pair(run, |pair| terms.push(exact(pair)));
            // The last character alone is a term of runs that end here only.
            terms.pop();
        }
    });
    terms
}

/// Returns `true` if a word ends with a run of a dense script, of which every part is found.
fn ends_dense(word: &str) -> bool {
    let mut is_dense = false;
    for_each_unit(word, |unit| is_dense = matches!(unit, Unit::Dense(_)));
    is_dense
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (excluded, inner) = match rest.strip_prefix('-') {
            Some(inner) => (true, inner),
            None => (false, rest),
        };
        if let Some(inner) = inner.strip_prefix(QUOTATION_MARKS) {
            rest = match inner.split_once(QUOTATION_MARKS) {
                Some((phrase, rest)) => {
                    tokens.push(if excluded {
                        Token::ExcludedPhrase
                    } else {
                        Token::Phrase(phrase)
                    });
                    rest
                }
                // An unclosed quotation mark does not start a phrase.
                None => inner,
            };
        } else {
            let end = inner
                .find(|c: char| c.is_whitespace() || QUOTATION_MARKS.contains(&c))
                .unwrap_or(inner.len());
            let (word, more) = inner.split_at(end);
            tokens.extend(match (excluded, word) {
                (_, "") | (false, "AND") => None,
                (false, "OR") => Some(Token::Or),
                (true, word) => Some(Token::Excluded(word)),
                (false, word) => Some(Token::Word(word)),
            });
            rest = more;
        }
        rest = rest.trim_start();
    }
    tokens
}
