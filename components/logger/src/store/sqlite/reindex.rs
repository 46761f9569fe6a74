//! Update of the index after a change of its terms, in small transactions while it is in use.
//!
//! Terms of archives, parties and payloads are the same in both versions, so that only searches for
//! words may miss entries that are not updated yet. The newest entries are updated first.

use campanile::stanza::Stanza;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::Sqlite;
use crate::new_entry::{Class, Index};
use crate::store::usage::both;
use crate::store::{Place, StoreError, index_terms};

/// Returns the place before which entries have terms of version 2; `None` if none have.
pub(super) fn boundary(db: &Connection) -> Result<Option<Place>, StoreError> {
    let sql = "SELECT value FROM meta WHERE name = 'reindex'";
    Ok(db
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
        .optional()?)
}

/// Returns the words of an entry as they are in the index.
pub(super) fn index(stanza: &Stanza, place: Place, boundary: Option<Place>) -> Index {
    if boundary.is_some_and(|boundary| place < boundary) {
        Index::version_2(stanza)
    } else {
        Index::of(stanza)
    }
}

pub(super) fn reindex(store: &mut Sqlite, most: usize) -> Result<usize, StoreError> {
    let transaction = store
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(boundary) = boundary(&transaction)? else {
        return Ok(0);
    };
    let places = before(&transaction, boundary, most)?;
    for place in &places {
        update(&transaction, *place)?;
    }
    match places.last() {
        Some(last) => transaction.execute(
            "UPDATE meta SET value = ?1 WHERE name = 'reindex'",
            params![last],
        )?,
        None => transaction.execute("DELETE FROM meta WHERE name = 'reindex'", [])?,
    };
    transaction.commit()?;
    Ok(places.len())
}

fn before(db: &Connection, boundary: Place, most: usize) -> Result<Vec<Place>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT place FROM entry WHERE place < ?1 ORDER BY place DESC LIMIT ?2")?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let places = statement.query_map(params![boundary, most], |row| row.get(0))?;
    Ok(places.collect::<Result<_, _>>()?)
}

fn update(db: &Connection, place: Place) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT archive, sender, recipient, class, stanza FROM entry WHERE place = ?1",
    )?;
    let (archive, sender, recipient, class, stanza) = statement.query_row([place], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, Option<i64>>(2)?,
            row.get::<_, i64>(3)?,
            row.get::<_, Option<Vec<u8>>>(4)?,
        ))
    })?;
    // An erased entry has no words.
    let Some(stanza) = stanza.as_deref().and_then(crate::xml::stanza) else {
        return Ok(());
    };
    let old = Index::version_2(&stanza);
    let new = Index::of(&stanza);
    if old == new {
        return Ok(());
    }
    let class = Class::of_number(class).unwrap_or(Class::Message);
    let terms = |index: &Index| {
        let mut terms = String::new();
        let parties = both(sender, recipient);
        let Index { words, payloads } = index;
        index_terms::of_entry(archive, class, parties, payloads, words, &mut terms);
        terms
    };
    db.prepare_cached("INSERT INTO term (term, rowid, terms) VALUES ('delete', ?1, ?2)")?
        .execute(params![place, terms(&old)])?;
    db.prepare_cached("INSERT INTO term (rowid, terms) VALUES (?1, ?2)")?
        .execute(params![place, terms(&new)])?;
    Ok(())
}
