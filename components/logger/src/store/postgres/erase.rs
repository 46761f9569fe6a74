//! Erasure and retention in PostgreSQL.
//!
//! An update leaves the old row in place until a vacuum removes it. Its bytes then remain in the
//! free space of the page, in the write-ahead log and in backups; the README describes how to
//! remove them.

use postgres::Transaction;

use super::write::write_usage;
use super::{Postgres, read, schema};
use crate::keys::Keys;
use crate::new_entry::{Class, domain};
use crate::store::index_terms::{self, Term};
use crate::store::usage::{ALL, Accounted, Parties, RECEIVED, UsageDelta};
use crate::store::{Place, Prune, StoreError};

pub(super) fn erase(store: &mut Postgres, jid: &str, most: usize) -> Result<usize, StoreError> {
    let Postgres { client, keys, .. } = store;
    let mut transaction = client.transaction()?;
    transaction.query(schema::LOCK, &[])?;
    let Some(party) = read::find(&mut transaction, keys, jid)? else {
        return Ok(0);
    };
    transaction.execute(
        "INSERT INTO erasing (party) VALUES ($1) ON CONFLICT DO NOTHING",
        &[&party],
    )?;
    let places = of_party(&mut transaction, party, most)?;
    let mut delta = UsageDelta::default();
    for place in &places {
        empty(&mut transaction, keys, *place, &mut delta)?;
    }
    write_usage(delta, &mut transaction)?;
    if places.is_empty() {
        // Without the hash, the same JID gets a new number when it writes again.
        transaction.execute("DELETE FROM used WHERE party = $1", &[&party])?;
        transaction.execute(
            "UPDATE jid SET jid = $2, hash = -id WHERE id = $1",
            &[&party, &keys.hash(jid)],
        )?;
    }
    // Makes every instance clear its cache of JID numbers.
    transaction.execute("UPDATE epoch SET epoch = epoch + 1", &[])?;
    transaction.commit()?;
    Ok(places.len())
}

pub(super) fn scrub(store: &mut Postgres) -> Result<(), StoreError> {
    let client = &mut store.client;
    let emptied = client.query(
        "SELECT party FROM erasing JOIN jid ON jid.id = party WHERE jid.hash = -jid.id",
        &[],
    )?;
    let emptied: Vec<i64> = emptied.iter().map(|row| row.get(0)).collect();
    client.batch_execute("SET statement_timeout = 0")?;
    for table in ["entry", "jid", "used", "alias"] {
        client.batch_execute(&format!("VACUUM {table}"))?;
    }
    client.batch_execute("SET statement_timeout = '30s'")?;
    client.execute("DELETE FROM erasing WHERE party = ANY($1)", &[&emptied])?;
    Ok(())
}

/// A name that is already a hash belongs to entries that are all erased but not yet vacuumed.
pub(super) fn unfinished(store: &mut Postgres) -> Result<Vec<String>, StoreError> {
    let rows = store
        .client
        .query("SELECT jid FROM erasing JOIN jid ON jid.id = party", &[])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

pub(super) fn prune(store: &mut Postgres, rule: &Prune, most: usize) -> Result<usize, StoreError> {
    let Postgres { client, keys, .. } = store;
    let mut transaction = client.transaction()?;
    transaction.query(schema::LOCK, &[])?;
    let places = match rule {
        Prune::Before(time) => {
            let rows = transaction.query(
                "SELECT place FROM entry WHERE place < $1 ORDER BY place LIMIT $2",
                &[time, &limit(most)],
            )?;
            rows.iter().map(|row| row.get(0)).collect()
        }
        Prune::Above(bytes) => of_largest_sender(&mut transaction, *bytes, most)?,
    };
    let mut delta = UsageDelta::default();
    for place in &places {
        remove(&mut transaction, keys, *place, &mut delta)?;
    }
    write_usage(delta, &mut transaction)?;
    if places.is_empty() {
        sweep(&mut transaction)?;
    }
    transaction.commit()?;
    Ok(places.len())
}

fn of_party(
    transaction: &mut Transaction<'_>,
    party: i64,
    most: usize,
) -> Result<Vec<Place>, StoreError> {
    let term = format!("'{}'", Term::party(party).text);
    let rows = transaction.query(
        "SELECT place FROM entry WHERE terms @@ $1::text::tsquery ORDER BY place LIMIT $2",
        &[&term, &limit(most)],
    )?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// While the total exceeds the bound, returns the oldest entries of the largest sender only.
fn of_largest_sender(
    transaction: &mut Transaction<'_>,
    bound: u64,
    most: usize,
) -> Result<Vec<Place>, StoreError> {
    let (_, bytes) = read::used(transaction, ALL, None, &[])?;
    let mut excess = i64::try_from(bytes.saturating_sub(bound)).unwrap_or(i64::MAX);
    let largest = "SELECT party FROM used WHERE party > 0 AND class < $1 GROUP BY party ORDER BY \
        sum(bytes) DESC LIMIT 1";
    let Some(largest) = transaction
        .query_opt(largest, &[&RECEIVED])?
        .filter(|_| excess > 0)
    else {
        return Ok(Vec::new());
    };
    let party: i64 = largest.get(0);
    let term = format!("'{}'", Term::party(party).text);
    let rows = transaction.query(
        "SELECT place, coalesce(length(stanza), 0)::bigint FROM entry \
         WHERE terms @@ $1::text::tsquery AND sender = $2 ORDER BY place LIMIT $3",
        &[&term, &party, &limit(most)],
    )?;
    let mut places = Vec::new();
    for row in rows {
        if excess <= 0 {
            break;
        }
        places.push(row.get(0));
        excess -= row.get::<_, i64>(1);
    }
    Ok(places)
}

/// Removes everything from an entry except ID, time and archive.
fn empty(
    t: &mut Transaction<'_>,
    keys: &Keys,
    place: Place,
    delta: &mut UsageDelta,
) -> Result<(), StoreError> {
    let Some(old) = old(t, keys, place)? else {
        return Ok(());
    };
    let mut terms = String::new();
    index_terms::of_entry(old.parties.archive, old.class, [], &[], "", &mut terms);
    t.execute(
        "UPDATE entry SET stanza = NULL, terms = array_to_tsvector(string_to_array($2, ' ')) WHERE \
        place = $1",
        &[&place, &terms],
    )?;
    delta.empty(&old);
    Ok(())
}

fn remove(
    t: &mut Transaction<'_>,
    keys: &Keys,
    place: Place,
    delta: &mut UsageDelta,
) -> Result<(), StoreError> {
    let Some(old) = old(t, keys, place)? else {
        return Ok(());
    };
    t.execute("DELETE FROM entry WHERE place = $1", &[&place])?;
    t.execute("DELETE FROM alias WHERE place = $1", &[&place])?;
    delta.remove(&old);
    Ok(())
}

fn old(
    t: &mut Transaction<'_>,
    keys: &Keys,
    place: Place,
) -> Result<Option<Accounted>, StoreError> {
    let row = t.query_opt(
        "SELECT archive, sender, recipient, class, length(stanza), (SELECT jid FROM jid WHERE id = \
        sender) \
         FROM entry WHERE place = $1",
        &[&place],
    )?;
    let Some(row) = row else { return Ok(None) };
    let from: String = row.get(5);
    let home = read::find(t, keys, domain(&from))?.unwrap_or_default();
    let parties = Parties {
        archive: row.get(0),
        sender: row.get(1),
        home,
        recipient: row.get(2),
    };
    let class: i16 = row.get(3);
    let class = Class::of_number(i64::from(class)).unwrap_or(Class::Message);
    let bytes = row
        .get::<_, Option<i32>>(4)
        .and_then(|bytes| usize::try_from(bytes).ok());
    Ok(Some(Accounted {
        parties,
        class,
        bytes,
    }))
}

/// Deletes JIDs without remaining entries.
fn sweep(transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM used WHERE entries <= 0 AND bytes <= 0", &[])?;
    let gone = transaction.execute(
        "DELETE FROM jid WHERE id NOT IN (SELECT party FROM used) AND id NOT IN (SELECT archive \
        FROM used) \
         AND id NOT IN (SELECT party FROM erasing) AND jid NOT LIKE '#%'",
        &[],
    )?;
    if gone > 0 {
        transaction.execute("UPDATE epoch SET epoch = epoch + 1", &[])?;
    }
    Ok(())
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}
