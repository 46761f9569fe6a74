//! Query planning, common to all backends.

use std::time::{Duration, Instant};

use campanile::jid::Jid;

use super::index_terms::{self, Term, Terms};
use super::{Entry, Page, Query, StoreError};
use crate::new_entry::{self, Class, bare};
use crate::tokenizer::Search;

/// Time limit for a page whose entries must be filtered one by one.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Number of entries fetched per step in that case.
const CHUNK: usize = 256;

/// The execution plan of a query.
pub(super) enum Plan {
    /// No entry can match, because a JID in the query is unknown.
    Nothing,
    /// Scan the entries in order.
    Scan,
    /// Search the index.
    Match(Terms),
}

/// Plans a query; `find` returns the number of a JID.
pub(super) fn plan(
    query: &Query,
    mut find: impl FnMut(&str) -> Result<Option<i64>, StoreError>,
) -> Result<Plan, StoreError> {
    let Some(mut all) = index_terms::words(&query.words)? else {
        return Ok(Plan::Nothing);
    };
    if let Some(archive) = &query.archive {
        let Some(archive) = find(archive.as_str())? else {
            return Ok(Plan::Nothing);
        };
        let classes = if query.classes.is_empty() {
            &Class::ALL[..]
        } else {
            &query.classes[..]
        };
        all.require(classes.iter().map(|class| Term::archive(archive, *class)));
    }
    let with = query
        .with
        .as_ref()
        .map(bare)
        .filter(|with| !is_archive(query, with));
    for party in query
        .owner
        .as_ref()
        .map(|owner| owner.as_str())
        .into_iter()
        .chain(with)
    {
        let Some(party) = find(party)? else {
            return Ok(Plan::Nothing);
        };
        all.require([Term::party(party)]);
    }
    if let Some((namespace, name)) = &query.payload {
        all.require([Term::payload(namespace, name)]);
    }
    Ok(if all.all.is_empty() {
        Plan::Scan
    } else {
        Plan::Match(all)
    })
}

/// Returns `true` if the query selects everything of one party or of all, which is counted in the
/// usage table.
pub(super) fn is_unfiltered(query: &Query) -> bool {
    let words = query.with.is_none() && query.words.trim().is_empty() && query.payload.is_none();
    words && bounds(query) == (i64::MIN, i64::MAX) && query.places.is_empty()
}

/// Returns the bounds of the places, both exclusive.
pub(super) fn bounds(query: &Query) -> (i64, i64) {
    let low = [
        query.after,
        query.start.map(|start| start.saturating_sub(1)),
    ]
    .into_iter()
    .flatten()
    .max();
    let high = [query.before, query.end.map(|end| end.saturating_add(1))]
        .into_iter()
        .flatten()
        .min();
    (low.unwrap_or(i64::MIN), high.unwrap_or(i64::MAX))
}

/// Collects a page from `scan`, which calls its last argument with the next entries between two
/// places, up to a limit: `[low, high, limit]`.
///
/// # Errors
/// [`StoreError::Busy`] if few entries match and the scan takes too long.
pub(super) fn collect(
    query: &Query,
    mut scan: impl FnMut([i64; 3], &mut dyn FnMut(Entry)) -> Result<(), StoreError>,
) -> Result<Page, StoreError> {
    let filter = Filter::new(query);
    let (mut low, mut high) = bounds(query);
    let wanted = query.limit + 1;
    let chunk = if filter.accepts_all() {
        wanted
    } else {
        wanted.max(CHUNK)
    };
    let limit = i64::try_from(chunk).unwrap_or(i64::MAX);
    let mut entries = Vec::new();
    let deadline = Instant::now() + SEARCH_TIMEOUT;
    while entries.len() < wanted {
        let mut seen = 0;
        scan([low, high, limit], &mut |entry| {
            seen += 1;
            *(if query.from_end { &mut high } else { &mut low }) = entry.place;
            if entries.len() < wanted && filter.matches(&entry) {
                entries.push(entry);
            }
        })?;
        if seen < chunk {
            break;
        }
        if Instant::now() > deadline {
            return Err(StoreError::Busy);
        }
    }
    Ok(into_page(entries, query))
}

/// Drops the extra entry that only indicates more, and sorts the page chronologically.
pub(super) fn into_page(mut entries: Vec<Entry>, query: &Query) -> Page {
    let more = entries.len() > query.limit;
    entries.truncate(query.limit);
    if query.from_end {
        entries.reverse();
    }
    Page { entries, more }
}

fn is_archive(query: &Query, jid: &str) -> bool {
    query
        .archive
        .as_ref()
        .is_some_and(|archive| archive.as_str() == jid)
}

/// The conditions that the index cannot evaluate.
pub(super) struct Filter<'q> {
    /// Sent to or from exactly this full JID.
    full: Option<&'q Jid>,
    /// Sent to or from the archive itself.
    to_archive: bool,
    classes: &'q [Class],
    /// Phrases of consecutive words.
    phrases: Vec<Vec<String>>,
}

impl<'q> Filter<'q> {
    pub(super) fn new(query: &'q Query) -> Self {
        let with = query.with.as_ref();
        Self {
            full: with.filter(|with| with.resource().is_some()),
            to_archive: with.is_some_and(|with| is_archive(query, bare(with))),
            classes: if query.archive.is_none() {
                &query.classes
            } else {
                &[]
            },
            // The plan reports an error of the search.
            phrases: Search::parse(&query.words).unwrap_or_default().phrases,
        }
    }

    pub(super) fn accepts_all(&self) -> bool {
        self.full.is_none()
            && !self.to_archive
            && self.classes.is_empty()
            && self.phrases.is_empty()
    }

    pub(super) fn matches(&self, entry: &Entry) -> bool {
        if !self.classes.is_empty() && !self.classes.contains(&entry.class) {
            return false;
        }
        if self.to_archive && entry.to != entry.archive && entry.from != entry.archive {
            return false;
        }
        if self.full.is_none() && self.phrases.is_empty() {
            return true;
        }
        let Some(stanza) = entry
            .stanza
            .as_ref()
            .and_then(|stanza| crate::xml::stanza(stanza.as_bytes()))
        else {
            return false;
        };
        let party = self
            .full
            .is_none_or(|full| stanza.from() == Some(full) || stanza.to() == Some(full));
        party
            && self
                .phrases
                .iter()
                .all(|phrase| new_entry::contains_phrase(&stanza, phrase))
    }
}
