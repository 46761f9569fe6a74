//! How much everybody has: for quotas, for counts, and for those who ask.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::Sqlite;
use super::write::Parties;
use crate::draft::{Class, Draft};
use crate::store::{Quota, Stats, StoreError};

/// Stands for everybody: what an archive has in all.
pub(super) const ALL: i64 = 0;
/// Added to the class of what a party received, or what the people of a domain sent: quotas and counts differ.
pub(super) const RECEIVED: i64 = 16;
pub(super) const HOME: i64 = 32;

/// What one transaction changes.
#[derive(Default)]
pub(super) struct Tally {
    changes: HashMap<(i64, i64, i64), (i64, i64)>,
    /// Bytes kept by senders and domains, as far as quotas ask for them.
    kept: HashMap<(i64, bool), u64>,
}

impl Tally {
    /// Whether the quotas have room for an entry; if so it is taken up.
    pub(super) fn admits(&mut self, db: &Connection, parties: &Parties, draft: &Draft) -> Result<bool, StoreError> {
        let (Quota { per_sender, per_domain }, bytes) = (draft.quota, draft.stanza.len() as u64);
        let bounds = [(parties.sender, false, per_sender), (parties.home, true, per_domain)];
        let bounds = bounds.into_iter().filter_map(|(party, home, bound)| Some((party, home, bound?)));
        for (party, home, bound) in bounds.clone() {
            let kept = match self.kept.get(&(party, home)) {
                Some(kept) => *kept,
                None => {
                    let kept = kept(db, party, home)?;
                    self.kept.insert((party, home), kept);
                    kept
                }
            };
            if kept + bytes > bound {
                return Ok(false);
            }
        }
        for (party, home, _) in bounds {
            *self.kept.entry((party, home)).or_default() += bytes;
        }
        Ok(true)
    }

    pub(super) fn add(&mut self, parties: &Parties, class: Class, bytes: usize) {
        self.change(parties, class, 1, i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(super) fn remove(&mut self, parties: &Parties, class: Class, bytes: usize) {
        self.change(parties, class, -1, -i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// The entry stays for those who see all; nobody else sees it any more, and it has no bytes.
    pub(super) fn empty(&mut self, parties: &Parties, class: Class, bytes: usize) {
        self.remove(parties, class, bytes);
        self.one(ALL, parties.archive, class as i64, (1, 0));
    }

    /// An entry without bytes goes.
    pub(super) fn remove_empty(&mut self, parties: &Parties, class: Class) {
        self.one(ALL, parties.archive, class as i64, (-1, 0));
    }

    fn change(&mut self, parties: &Parties, class: Class, entries: i64, bytes: i64) {
        let (class, archive, by) = (class as i64, parties.archive, (entries, bytes));
        self.one(ALL, archive, class, by);
        self.one(parties.sender, archive, class, by);
        self.one(parties.home, archive, class + HOME, by);
        if let Some(recipient) = parties.recipient.filter(|recipient| *recipient != parties.sender) {
            self.one(recipient, archive, class + RECEIVED, by);
        }
    }

    fn one(&mut self, party: i64, archive: i64, class: i64, (entries, bytes): (i64, i64)) {
        let (known, size) = self.changes.entry((party, archive, class)).or_default();
        *known += entries;
        *size += bytes;
    }

    pub(super) fn write(self, db: &Connection) -> Result<(), StoreError> {
        let mut statement = db.prepare_cached(
            "INSERT INTO used (party, archive, class, entries, bytes) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT DO UPDATE SET entries = entries + excluded.entries, bytes = bytes + excluded.bytes",
        )?;
        for ((party, archive, class), (entries, bytes)) in self.changes {
            statement.execute(params![party, archive, class, entries, bytes])?;
        }
        Ok(())
    }
}

fn kept(db: &Connection, party: i64, home: bool) -> Result<u64, StoreError> {
    let (from, to) = if home { (HOME, HOME + RECEIVED) } else { (0, RECEIVED) };
    let mut statement =
        db.prepare_cached("SELECT coalesce(sum(bytes), 0) FROM used WHERE party = ?1 AND class >= ?2 AND class < ?3")?;
    let kept: i64 = statement.query_row([party, from, to], |row| row.get(0))?;
    Ok(kept.unsigned_abs())
}

/// Entries and bytes of a party in an archive, sent and received; of all archives when there is none.
pub(super) fn entries(
    db: &Connection,
    party: i64,
    archive: Option<i64>,
    classes: &[Class],
) -> Result<(u64, u64), StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT class, entries, bytes FROM used WHERE party = ?1 AND (?2 IS NULL OR archive = ?2) AND class < ?3",
    )?;
    let rows = statement.query_map(params![party, archive, HOME], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    })?;
    let mut sum = (0, 0);
    for row in rows {
        let (class, entries, bytes) = row?;
        if classes.is_empty() || classes.iter().any(|wanted| *wanted as i64 == class % RECEIVED) {
            sum = (sum.0 + entries.unsigned_abs(), sum.1 + bytes.unsigned_abs());
        }
    }
    Ok(sum)
}

pub(super) fn stats(store: &Sqlite, owner: Option<&str>) -> Result<Stats, StoreError> {
    let db = &store.connection;
    let party = match owner {
        None => ALL,
        Some(owner) => match store.jids.find(db, owner)? {
            Some(party) => party,
            None => return Ok(Stats::default()),
        },
    };
    let (entries, bytes) = entries(db, party, None, &[])?;
    let mut stats = Stats { entries, bytes, ..Stats::default() };
    if owner.is_none() {
        let span = db.query_row("SELECT min(place), max(place) FROM entry", [], |row| Ok((row.get(0)?, row.get(1)?)));
        stats.span = span.optional()?.and_then(|(first, last): (Option<i64>, Option<i64>)| first.zip(last));
        let mut statement = db.prepare_cached(
            "SELECT jid, sum(entries), sum(bytes) FROM used JOIN jid ON jid.id = party \
             WHERE party > 0 AND class < ?1 GROUP BY party ORDER BY 3 DESC, 2 DESC, 1 LIMIT 10",
        )?;
        let rows = statement.query_map([RECEIVED], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs(), row.get::<_, i64>(2)?.unsigned_abs()))
        })?;
        stats.senders = rows.collect::<Result<_, _>>()?;
    }
    Ok(stats)
}
