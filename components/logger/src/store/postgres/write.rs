//! A batch becomes durable: one transaction, one statement for all of its entries.

use std::collections::{HashMap, HashSet};

use postgres::{GenericClient, Transaction};

use super::{Postgres, schema};
use crate::draft::{Draft, domain};
use crate::keys::Keys;
use crate::store::tally::{Parties, Tally, quota_classes};
use crate::store::{Place, StoreError, now, terms};

/// Numbers remembered at a time.
const REMEMBERED: usize = 65_536;

pub(super) fn commit(
    store: &mut Postgres,
    batch: &[Draft],
) -> Result<Vec<Result<Place, StoreError>>, StoreError> {
    let kept = try_commit(store, batch);
    if kept.is_err() {
        // Numbers that were given in a transaction that is no more.
        store.known.clear();
    }
    kept
}

fn try_commit(
    store: &mut Postgres,
    batch: &[Draft],
) -> Result<Vec<Result<Place, StoreError>>, StoreError> {
    let Postgres {
        client,
        keys,
        known,
        epoch,
    } = store;
    let mut transaction = client.transaction()?;
    transaction.query(schema::LOCK, &[])?;
    let row = transaction.query_one(
        "SELECT coalesce((SELECT max(place) FROM entry), 0), (SELECT epoch FROM epoch)",
        &[],
    )?;
    let mut last = row.get::<_, i64>(0);
    let found: i64 = row.get(1);
    if std::mem::replace(epoch, found) != found || known.len() > REMEMBERED {
        known.clear();
    }
    number(&mut transaction, keys, known, batch)?;
    let now = now();
    let mut rows = Rows::default();
    let mut tally = Tally::default();
    let mut taken = HashSet::new();
    let mut outcomes = Vec::with_capacity(batch.len());
    let id = |jid: &str| {
        known
            .get(jid)
            .copied()
            .ok_or_else(|| StoreError::Fault("a JID without a number".to_owned()))
    };
    for draft in batch {
        let parties = Parties {
            archive: id(&draft.archive)?,
            sender: id(&draft.from)?,
            home: id(domain(&draft.from))?,
            recipient: draft.to.as_deref().map(id).transpose()?,
        };
        let ours = draft.id.as_deref().and_then(|id| keys.place(id));
        if let Some(place) = twin(&mut transaction, draft, ours)? {
            outcomes.push(Ok(place));
            continue;
        }
        if !tally.admits(&parties, draft, |party, home| {
            kept(&mut transaction, party, home)
        })? {
            outcomes.push(Err(StoreError::Quota));
            continue;
        }
        let place = match draft.time {
            None => {
                last = now.max(last + 1);
                last
            }
            Some(time) => free(&mut transaction, time, &taken)?,
        };
        taken.insert(place);
        if let Some(id) = draft.id.as_ref().filter(|_| ours.is_none()) {
            transaction.execute(
                "INSERT INTO alias (id, place) VALUES ($1, $2)",
                &[&&**id, &place],
            )?;
        }
        rows.push(place, &parties, draft);
        tally.add(&parties, draft.class, draft.stanza.len());
        outcomes.push(Ok(place));
    }
    rows.insert(&mut transaction)?;
    write_tally(tally, &mut transaction)?;
    transaction.commit()?;
    Ok(outcomes)
}

/// Sees to it that every JID of a batch has a number.
fn number(
    transaction: &mut Transaction<'_>,
    keys: &Keys,
    known: &mut HashMap<Box<str>, i64>,
    batch: &[Draft],
) -> Result<(), StoreError> {
    let jids = batch.iter().flat_map(|draft| {
        [&*draft.archive, &*draft.from, domain(&draft.from)]
            .into_iter()
            .chain(draft.to.as_deref())
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

/// The place of an entry that was imported before, or that comes back to the store it was exported
/// from.
fn twin(
    transaction: &mut Transaction<'_>,
    draft: &Draft,
    ours: Option<Place>,
) -> Result<Option<Place>, StoreError> {
    let Some(id) = &draft.id else { return Ok(None) };
    let row = match ours {
        Some(place) => {
            transaction.query_opt("SELECT place FROM entry WHERE place = $1", &[&place])?
        }
        None => transaction.query_opt("SELECT place FROM alias WHERE id = $1", &[&&**id])?,
    };
    Ok(row.map(|row| row.get(0)))
}

/// The first free place from a time on.
fn free(
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

/// Entries as columns.
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
    fn push(&mut self, place: Place, parties: &Parties, draft: &'d Draft) {
        self.places.push(place);
        self.archives.push(parties.archive);
        self.senders.push(parties.sender);
        self.recipients.push(parties.recipient);
        self.classes.push(draft.class as i16);
        self.stanzas.push(&draft.stanza);
        let mut terms = String::new();
        terms::of_entry(
            parties.archive,
            draft.class,
            parties.both(),
            &draft.payloads,
            &draft.words,
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

pub(super) fn write_tally(tally: Tally, client: &mut impl GenericClient) -> Result<(), StoreError> {
    let (mut keys, mut changes): ([Vec<i64>; 3], [Vec<i64>; 2]) = Default::default();
    for ((party, archive, class), (entries, bytes)) in tally.changes() {
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
