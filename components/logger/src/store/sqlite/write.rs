//! Commits of batches, each in one transaction.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use campanile::settings::rough_duration;
use rusqlite::{
    CachedStatement, Connection, ErrorCode, OptionalExtension, TransactionBehavior, params,
};

use super::Sqlite;
use super::reindex;
use super::usage_table::{self, Parties, UsageDelta};
use crate::new_entry::{Index, NewEntry, domain};
use crate::store::{Place, StoreError, index_terms, now};

/// If the clock was set back by more than this (in microseconds), new entries carry the new time;
/// otherwise time continues from the last entry.
const MAX_CLOCK_STEP: i64 = 60_000_000;

pub(super) fn commit(
    store: &mut Sqlite,
    batch: &[NewEntry],
) -> Result<Vec<Result<Place, StoreError>>, StoreError> {
    let kept = try_commit(store, batch);
    if kept.is_err() {
        // The cache may have numbers assigned in the rolled-back transaction.
        store.jids.forget();
        store.last = None;
    }
    kept
}

fn try_commit(
    store: &mut Sqlite,
    batch: &[NewEntry],
) -> Result<Vec<Result<Place, StoreError>>, StoreError> {
    let Sqlite {
        connection,
        jids,
        last,
        keys,
        ..
    } = store;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    jids.refresh(&transaction)?;
    let mut clock = Clock::new(&transaction, last)?;
    let mut delta = UsageDelta::default();
    let mut outcomes = Vec::with_capacity(batch.len());
    {
        let mut entries = Entries::new(&transaction)?;
        let mut known = HashMap::new();
        for new_entry in batch {
            let mut number = |jid: &str| jids.number(&transaction, jid);
            let archive = number(&new_entry.archive)?;
            let sender = number(&new_entry.from)?;
            let home = match known.get(domain(&new_entry.from)) {
                Some(home) => *home,
                None => {
                    let home = number(domain(&new_entry.from))?;
                    known.insert(domain(&new_entry.from), home);
                    home
                }
            };
            let recipient = new_entry.to.as_deref().map(number).transpose()?;
            let own_place = new_entry.id.as_deref().and_then(|id| keys.place(id));
            if let Some(place) = entries.find_duplicate(&transaction, new_entry, own_place)? {
                outcomes.push(Ok(place));
                continue;
            }
            let parties = Parties {
                archive,
                sender,
                home,
                recipient,
            };
            if !delta.admits(&parties, new_entry, |party, home| {
                usage_table::kept(&transaction, party, home)
            })? {
                outcomes.push(Err(StoreError::Quota));
                continue;
            }
            let place = entries.insert(new_entry, &parties, &mut clock)?;
            if own_place.is_none()
                && let Some(id) = &new_entry.id
            {
                transaction.execute(
                    "INSERT INTO alias (id, place) VALUES (?1, ?2)",
                    params![id, place],
                )?;
            }
            delta.add(&parties, new_entry.class, new_entry.stanza.len());
            outcomes.push(Ok(place));
        }
    }
    usage_table::write(delta, &transaction)?;
    transaction.commit()?;
    *last = Some(clock.last);
    Ok(outcomes)
}

struct Entries<'c> {
    entry: CachedStatement<'c>,
    term: CachedStatement<'c>,
    terms: String,
    /// Entries before it have terms of version 2.
    boundary: Option<Place>,
}

impl<'c> Entries<'c> {
    fn new(connection: &'c Connection) -> Result<Self, StoreError> {
        let entry = "INSERT INTO entry (place, archive, sender, recipient, class, stanza) VALUES \
            (?1, ?2, ?3, ?4, ?5, ?6)";
        Ok(Self {
            entry: connection.prepare_cached(entry)?,
            term: connection.prepare_cached("INSERT INTO term (rowid, terms) VALUES (?1, ?2)")?,
            boundary: reindex::boundary(connection)?,
            terms: String::new(),
        })
    }

    /// Returns the place of an entry that was imported before, or is re-imported into the store it
    /// was exported from.
    fn find_duplicate(
        &self,
        connection: &Connection,
        new_entry: &NewEntry,
        own_place: Option<Place>,
    ) -> Result<Option<Place>, StoreError> {
        let Some(id) = &new_entry.id else {
            return Ok(None);
        };
        let found = match own_place {
            Some(place) => connection
                .query_row("SELECT place FROM entry WHERE place = ?1", [place], |row| {
                    row.get(0)
                })
                .optional()?,
            None => connection
                .query_row("SELECT place FROM alias WHERE id = ?1", [id], |row| {
                    row.get(0)
                })
                .optional()?,
        };
        Ok(found)
    }

    fn insert(
        &mut self,
        new_entry: &NewEntry,
        parties: &Parties,
        clock: &mut Clock,
    ) -> Result<Place, StoreError> {
        let Parties {
            archive,
            sender,
            recipient,
            ..
        } = *parties;
        let mut place = new_entry.time.unwrap_or_else(|| clock.next());
        let class = new_entry.class as u8;
        while let Err(error) = self.entry.execute(params![
            place,
            archive,
            sender,
            recipient,
            class,
            new_entry.stanza
        ]) {
            if error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
                return Err(error.into());
            }
            // Taken by another process, or by an entry from before the clock was set back.
            place += 1;
        }
        if new_entry.time.is_none() {
            clock.last = place;
        }
        let words = self.words(new_entry, place);
        index_terms::of_entry(
            archive,
            new_entry.class,
            parties.both(),
            &new_entry.payloads,
            &words,
            &mut self.terms,
        );
        self.term.execute(params![place, self.terms])?;
        Ok(place)
    }

    /// Returns the words to index; of an entry that is imported among those whose terms are still
    /// of version 2, the words of that version.
    fn words<'e>(&self, new_entry: &'e NewEntry, place: Place) -> Cow<'e, str> {
        let stanza = match self.boundary {
            Some(boundary) if place < boundary => crate::xml::stanza(&new_entry.stanza),
            _ => None,
        };
        stanza.map_or_else(
            || Cow::Borrowed(&*new_entry.words),
            |stanza| Cow::Owned(Index::version_2(&stanza).words),
        )
    }
}

/// Assigns unique, increasing places.
struct Clock {
    now: i64,
    last: Place,
}

impl Clock {
    fn new(connection: &Connection, last: &Option<Place>) -> Result<Self, StoreError> {
        let now = now();
        let last = match last {
            Some(last) => *last,
            None => {
                connection.query_row("SELECT coalesce(max(place), 0) FROM entry", [], |row| {
                    row.get(0)
                })?
            }
        };
        if last - now > MAX_CLOCK_STEP {
            let step = Duration::from_micros((last - now).unsigned_abs());
            tracing::warn!(
                "clock went back {}; entries carry the new time",
                rough_duration(step)
            );
            return Ok(Self { now, last: now });
        }
        Ok(Self { now, last })
    }

    fn next(&mut self) -> Place {
        self.last = self.now.max(self.last + 1);
        self.last
    }
}
