//! Erasure and retention in SQLite. Removed data is overwritten, in the index as well.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::Sqlite;
use super::jids::Jids;
use super::reindex;
use super::usage_table::{self, Accounted, Parties, UsageDelta};
use crate::new_entry::{Class, Index, domain};
use crate::store::index_terms::{self, Term};
use crate::store::{Place, Prune, StoreError};

pub(super) fn erase(store: &mut Sqlite, jid: &str, most: usize) -> Result<usize, StoreError> {
    let Some(party) = store.jids.find(&store.connection, jid)? else {
        return Ok(0);
    };
    let hash = store.keys.hash(jid);
    let erased = in_transaction(store, |transaction, jids| {
        transaction.execute("INSERT OR IGNORE INTO erasing (party) VALUES (?1)", [party])?;
        let places = of_party(transaction, party, most)?;
        let mut delta = UsageDelta::default();
        for place in &places {
            empty(transaction, jids, *place, &mut delta)?;
        }
        usage_table::write(delta, transaction)?;
        if places.is_empty() {
            // Without the hash, the same JID gets a new number when it writes again.
            transaction.execute("DELETE FROM used WHERE party = ?1", [party])?;
            transaction.execute(
                "UPDATE jid SET jid = ?2, hash = -id WHERE id = ?1",
                params![party, hash],
            )?;
        }
        Ok(places.len())
    });
    store.jids.forget();
    erased
}

/// Checkpoints and truncates the write-ahead log, so that neither file contains the old bytes.
pub(super) fn scrub(db: &Connection) -> Result<(), StoreError> {
    // Only erasures completed before the checkpoint; another process may complete one meanwhile.
    let mut emptied = db.prepare_cached(
        "SELECT party FROM erasing JOIN jid ON jid.id = party WHERE jid.hash = -jid.id",
    )?;
    let emptied: Vec<i64> = emptied
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if !truncate_log(db)? {
        return Err(StoreError::Busy);
    }
    for party in emptied {
        db.execute("DELETE FROM erasing WHERE party = ?1", [party])?;
    }
    Ok(())
}

/// Writes the log back to the database and truncates it. Returns `false` if a reader is in the way.
pub(super) fn truncate_log(db: &Connection) -> Result<bool, StoreError> {
    let busy: i64 = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}

/// A name that is already a hash belongs to entries that are all erased, whose old bytes may still
/// be in the log.
pub(super) fn unfinished(db: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare_cached("SELECT jid FROM erasing JOIN jid ON jid.id = party")?;
    let names = statement
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(names)
}

pub(super) fn prune(store: &mut Sqlite, rule: &Prune, most: usize) -> Result<usize, StoreError> {
    let pruned = in_transaction(store, |transaction, jids| {
        let places = match rule {
            Prune::Before(time) => before(transaction, *time, most)?,
            Prune::Above(bytes) => of_largest_sender(transaction, *bytes, most)?,
        };
        let mut delta = UsageDelta::default();
        for place in &places {
            remove(transaction, jids, *place, &mut delta)?;
        }
        usage_table::write(delta, transaction)?;
        if places.is_empty() {
            sweep(transaction)?;
        }
        Ok(places.len())
    });
    store.jids.forget();
    pruned
}

fn in_transaction<T>(
    store: &mut Sqlite,
    change: impl FnOnce(&Transaction<'_>, &Jids) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let Sqlite {
        connection, jids, ..
    } = store;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = change(&transaction, jids)?;
    transaction.commit()?;
    Ok(done)
}

fn before(db: &Connection, time: i64, most: usize) -> Result<Vec<Place>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT place FROM entry WHERE place < ?1 ORDER BY place LIMIT ?2")?;
    let places = statement
        .query_map(params![time, limit(most)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(places)
}

/// Returns the entries that a party sent or received.
fn of_party(db: &Connection, party: i64, most: usize) -> Result<Vec<Place>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT rowid FROM term WHERE term MATCH ?1 ORDER BY rowid LIMIT ?2")?;
    let term = format!("\"{}\"", Term::party(party).text);
    let places = statement
        .query_map(params![term, limit(most)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(places)
}

/// While the total exceeds the bound, returns the oldest entries of the largest sender only.
fn of_largest_sender(db: &Connection, bound: u64, most: usize) -> Result<Vec<Place>, StoreError> {
    let (_, bytes) = usage_table::entries(db, usage_table::ALL, None, &[])?;
    let mut excess = i64::try_from(bytes.saturating_sub(bound)).unwrap_or(i64::MAX);
    if excess == 0 {
        return Ok(Vec::new());
    }
    let largest = "SELECT party FROM used WHERE party > 0 AND class < ?1 GROUP BY party ORDER BY \
        sum(bytes) DESC LIMIT 1";
    let Some(party) = db
        .query_row(largest, [usage_table::RECEIVED], |row| row.get::<_, i64>(0))
        .optional()?
    else {
        return Ok(Vec::new());
    };
    let mut statement = db.prepare_cached(
        "SELECT e.place, length(e.stanza) FROM term CROSS JOIN entry e ON e.place = term.rowid \
         WHERE term MATCH ?1 AND e.sender = ?2 ORDER BY term.rowid LIMIT ?3",
    )?;
    let term = format!("\"{}\"", Term::party(party).text);
    let mut rows = statement.query(params![term, party, limit(most)])?;
    let mut places = Vec::new();
    while excess > 0
        && let Some(row) = rows.next()?
    {
        places.push(row.get(0)?);
        excess -= row.get::<_, Option<i64>>(1)?.unwrap_or_default();
    }
    Ok(places)
}

/// Removes everything from an entry except ID, time and archive.
fn empty(
    db: &Connection,
    jids: &Jids,
    place: Place,
    delta: &mut UsageDelta,
) -> Result<(), StoreError> {
    let Some(old) = unindex(db, jids, place)? else {
        return Ok(());
    };
    let mut terms = String::new();
    index_terms::of_entry(old.parties.archive, old.class, [], &[], "", &mut terms);
    db.prepare_cached("INSERT INTO term (rowid, terms) VALUES (?1, ?2)")?
        .execute(params![place, terms])?;
    db.prepare_cached("UPDATE entry SET stanza = NULL WHERE place = ?1")?
        .execute([place])?;
    delta.empty(&old);
    Ok(())
}

fn remove(
    db: &Connection,
    jids: &Jids,
    place: Place,
    delta: &mut UsageDelta,
) -> Result<(), StoreError> {
    let Some(old) = unindex(db, jids, place)? else {
        return Ok(());
    };
    db.prepare_cached("DELETE FROM entry WHERE place = ?1")?
        .execute([place])?;
    db.prepare_cached("DELETE FROM alias WHERE place = ?1")?
        .execute([place])?;
    delta.remove(&old);
    Ok(())
}

/// Removes an entry from the index, which requires the exact terms it was added with.
fn unindex(db: &Connection, jids: &Jids, place: Place) -> Result<Option<Accounted>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT archive, sender, recipient, class, stanza, (SELECT jid FROM jid WHERE id = sender) \
        FROM entry WHERE place = ?1",
    )?;
    let row = statement.query_row([place], |row| {
        let ids = (
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, Option<i64>>(2)?,
        );
        Ok((
            ids,
            row.get::<_, i64>(3)?,
            row.get::<_, Option<Vec<u8>>>(4)?,
            row.get::<_, String>(5)?,
        ))
    });
    let Some(((archive, sender, recipient), class, stanza, from)) = row.optional()? else {
        return Ok(None);
    };
    let class = Class::of_number(class).unwrap_or(Class::Message);
    let home = jids.find(db, domain(&from))?;
    let parties = Parties {
        archive,
        sender,
        home: home.unwrap_or_default(),
        recipient,
    };
    let mut terms = String::new();
    match stanza.as_deref().and_then(crate::xml::stanza) {
        Some(stanza) => {
            let Index { words, payloads } = reindex::index(&stanza, place, reindex::boundary(db)?);
            index_terms::of_entry(
                archive,
                class,
                parties.both(),
                &payloads,
                &words,
                &mut terms,
            );
        }
        None => index_terms::of_entry(archive, class, [], &[], "", &mut terms),
    }
    let mut delete =
        db.prepare_cached("INSERT INTO term (term, rowid, terms) VALUES ('delete', ?1, ?2)")?;
    delete.execute(params![place, terms])?;
    Ok(Some(Accounted {
        parties,
        class,
        bytes: stanza.map(|stanza| stanza.len()),
    }))
}

/// Deletes JIDs without remaining entries.
fn sweep(db: &Connection) -> Result<(), StoreError> {
    db.execute("DELETE FROM used WHERE entries <= 0 AND bytes <= 0", [])?;
    db.execute(
        "DELETE FROM jid WHERE id NOT IN (SELECT party FROM used) AND id NOT IN (SELECT archive \
        FROM used) \
         AND id NOT IN (SELECT party FROM erasing) AND jid NOT LIKE '#%'",
        [],
    )?;
    Ok(())
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}
