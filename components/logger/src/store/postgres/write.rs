//! Commits of batches: one transaction, with one statement for all entries.

use std::collections::{HashMap, HashSet};

use postgres::{GenericClient, Transaction};

use super::{Postgres, schema};
use crate::keys::Keys;
use crate::new_entry::{NewEntry, domain};
use crate::store::usage::{Parties, UsageDelta, quota_classes};
use crate::store::{Place, StoreError, index_terms, now};

/// Maximum number of cached JID numbers.
const MAX_CACHED: usize = 65_536;

pub(super) fn commit(
    store: &mut Postgres,
    batch: &[NewEntry],
) -> Result<Vec<Result<Place, StoreError>>, StoreError> {
    let kept = try_commit(store, batch);
    if kept.is_err() {
        // The cache may have numbers assigned in the rolled-back transaction.
        store.known.clear();
    }
    kept
}

fn try_commit(
    store: &mut Postgres,
    batch: &[NewEntry],
) -> Result<Vec<Result<Place, StoreError>>, StoreError> {
    let Postgres {
        client,
        keys,
        known,
        epoch,
        ..
    } = store;
    let mut transaction = client.transaction()?;
    transaction.query(schema::LOCK, &[])?;
    let row = transaction.query_one(
        "SELECT coalesce((SELECT max(place) FROM entry), 0), (SELECT epoch FROM epoch)",
        &[],
    )?;
    let mut last = row.get::<_, i64>(0);
    let found: i64 = row.get(1);
    if std::mem::replace(epoch, found) != found || known.len() > MAX_CACHED {
        known.clear();
    }
    number(&mut transaction, keys, known, batch)?;
    let now = now();
    let mut rows = Rows::default();
    let mut delta = UsageDelta::default();
    let mut taken = HashSet::new();
    let mut outcomes = Vec::with_capacity(batch.len());
    let id = |jid: &str| {
        known
            .get(jid)
            .copied()
            .ok_or_else(|| StoreError::Fault("JID has no number".to_owned()))
    };
    for new_entry in batch {
        let parties = Parties {
            archive: id(&new_entry.archive)?,
            sender: id(&new_entry.from)?,
            home: id(domain(&new_entry.from))?,
            recipient: new_entry.to.as_deref().map(id).transpose()?,
        };
        let own_place = new_entry.id.as_deref().and_then(|id| keys.place(id));
        if let Some(place) = find_duplicate(&mut transaction, new_entry, own_place)? {
            outcomes.push(Ok(place));
            continue;
        }
        if !delta.admits(&parties, new_entry, |party, home| {
            kept(&mut transaction, party, home)
        })? {
            outcomes.push(Err(StoreError::Quota));
            continue;
        }
        let place = match new_entry.time {
            None => {
                last = now.max(last + 1);
                last
            }
            Some(time) => free_place(&mut transaction, time, &taken)?,
        };
        taken.insert(place);
        if let Some(id) = new_entry.id.as_ref().filter(|_| own_place.is_none()) {
            transaction.execute(
                "INSERT INTO alias (id, place) VALUES ($1, $2)",
                &[&&**id, &place],
            )?;
        }
        rows.push(place, &parties, new_entry);
        delta.add(&parties, new_entry.class, new_entry.stanza.len());
        outcomes.push(Ok(place));
    }
    rows.insert(&mut transaction)?;
    write_usage(delta, &mut transaction)?;
    transaction.commit()?;
    Ok(outcomes)
}

/// Ensures that every JID of a batch has a number.
fn number(
    transaction: &mut Transaction<'_>,
    keys: &Keys,
    known: &mut HashMap<Box<str>, i64>,
    batch: &[NewEntry],
) -> Result<(), StoreError> {
    let jids = batch.iter().flat_map(|new_entry| {
        [
            &*new_entry.archive,
            &*new_entry.from,
            domain(&new_entry.from),
        ]
        .into_iter()
        .chain(new_entry.to.as_deref())
    });
    let new: HashSet<&str> = jids.filter(|jid| !known.contains_key(*jid)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let jids: Vec<&str> = new.into_iter().collect();
    let hashes: Vec<i64> = jids.iter().map(|jid| keys.short_hash(jid)).collect();
    transaction.execute(
        "INSERT INTO jid (hash, jid) SELECT * FROM unnest($1::bigint[], $2::text[]) ON CONFLICT DO \
        NOTHING",
        &[&hashes, &jids],
    )?;
    for row in transaction.query("SELECT jid, id FROM jid WHERE hash = ANY($1)", &[&hashes])? {
        known.insert(row.get::<_, String>(0).into(), row.get(1));
    }
    Ok(())
}

/// Returns the place of an entry that was imported before, or is re-imported into the store it was
/// exported from.
fn find_duplicate(
    transaction: &mut Transaction<'_>,
    new_entry: &NewEntry,
    own_place: Option<Place>,
) -> Result<Option<Place>, StoreError> {
    let Some(id) = &new_entry.id else {
        return Ok(None);
    };
    let row = match own_place {
        Some(place) => {
            transaction.query_opt("SELECT place FROM entry WHERE place = $1", &[&place])?
        }
        None => transaction.query_opt("SELECT place FROM alias WHERE id = $1", &[&&**id])?,
    };
    Ok(row.map(|row| row.get(0)))
}

/// Returns the first free place at or after a time.
fn free_place(
    transaction: &mut Transaction<'_>,
    time: i64,
    taken: &HashSet<Place>,
) -> Result<Place, StoreError> {
    let mut place = time;
    while taken.contains(&place)
        || transaction
            .query_opt("SELECT 1 FROM entry WHERE place = $1", &[&place])?
            .is_some()
    {
        place += 1;
    }
    Ok(place)
}

fn kept(transaction: &mut Transaction<'_>, party: i64, home: bool) -> Result<u64, StoreError> {
    let (from, to) = quota_classes(home);
    let row = transaction.query_one(
        "SELECT coalesce(sum(bytes), 0)::bigint FROM used WHERE party = $1 AND class >= $2 AND \
        class < $3",
        &[&party, &from, &to],
    )?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}

/// Entries in columns, for `unnest`.
#[derive(Default)]
struct Rows<'d> {
    places: Vec<i64>,
    archives: Vec<i64>,
    senders: Vec<i64>,
    recipients: Vec<Option<i64>>,
    classes: Vec<i16>,
    stanzas: Vec<&'d [u8]>,
    terms: Vec<String>,
}

impl<'d> Rows<'d> {
    fn push(&mut self, place: Place, parties: &Parties, new_entry: &'d NewEntry) {
        self.places.push(place);
        self.archives.push(parties.archive);
        self.senders.push(parties.sender);
        self.recipients.push(parties.recipient);
        self.classes.push(new_entry.class as i16);
        self.stanzas.push(&new_entry.stanza);
        let mut terms = String::new();
        index_terms::of_entry(
            parties.archive,
            new_entry.class,
            parties.both(),
            &new_entry.payloads,
            &new_entry.words,
            &mut terms,
        );
        self.terms.push(terms);
    }

    fn insert(self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        let Self {
            places,
            archives,
            senders,
            recipients,
            classes,
            stanzas,
            terms,
        } = self;
        transaction.execute(
            "INSERT INTO entry (place, archive, sender, recipient, class, stanza, terms) \
             SELECT a, b, c, d, e, f, array_to_tsvector(string_to_array(g, ' ')) FROM \
             unnest($1::bigint[], $2::bigint[], \
             $3::bigint[], $4::bigint[], $5::smallint[], $6::bytea[], $7::text[]) AS row (a, b, c, \
             d, e, f, g)",
            &[
                &places,
                &archives,
                &senders,
                &recipients,
                &classes,
                &stanzas,
                &terms,
            ],
        )?;
        Ok(())
    }
}

pub(super) fn write_usage(
    delta: UsageDelta,
    client: &mut impl GenericClient,
) -> Result<(), StoreError> {
    let (mut keys, mut changes): ([Vec<i64>; 3], [Vec<i64>; 2]) = Default::default();
    for ((party, archive, class), (entries, bytes)) in delta.changes() {
        for (column, value) in keys.iter_mut().zip([party, archive, class]) {
            column.push(value);
        }
        for (column, value) in changes.iter_mut().zip([entries, bytes]) {
            column.push(value);
        }
    }
    client.execute(
        "INSERT INTO used (party, archive, class, entries, bytes) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], \
         $5::bigint[]) \
         ON CONFLICT (party, archive, class) DO UPDATE \
         SET entries = used.entries + excluded.entries, bytes = used.bytes + excluded.bytes",
        &[&keys[0], &keys[1], &keys[2], &changes[0], &changes[1]],
    )?;
    Ok(())
}
