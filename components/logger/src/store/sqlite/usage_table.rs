//! The usage table.

use rusqlite::{Connection, OptionalExtension, params};

use super::Sqlite;
use crate::new_entry::Class;
use crate::store::usage::quota_classes;
pub(super) use crate::store::usage::{ALL, Accounted, HOME, Parties, RECEIVED, UsageDelta};
use crate::store::{StoreError, Usage};

pub(super) fn write(delta: UsageDelta, db: &Connection) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(
        "INSERT INTO used (party, archive, class, entries, bytes) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT DO UPDATE SET entries = entries + excluded.entries, bytes = bytes + \
             excluded.bytes",
    )?;
    for ((party, archive, class), (entries, bytes)) in delta.changes() {
        statement.execute(params![party, archive, class, entries, bytes])?;
    }
    Ok(())
}

pub(super) fn kept(db: &Connection, party: i64, home: bool) -> Result<u64, StoreError> {
    let (from, to) = quota_classes(home);
    let mut statement = db.prepare_cached(
        "SELECT coalesce(sum(bytes), 0) FROM used WHERE party = ?1 AND class >= ?2 AND class < ?3",
    )?;
    let kept: i64 = statement.query_row([party, from, to], |row| row.get(0))?;
    Ok(kept.unsigned_abs())
}

/// Returns the entries and bytes that a party sent and received in an archive; in all archives if
/// `None`.
pub(super) fn entries(
    db: &Connection,
    party: i64,
    archive: Option<i64>,
    classes: &[Class],
) -> Result<(u64, u64), StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT class, entries, bytes FROM used WHERE party = ?1 AND (?2 IS NULL OR archive = ?2) \
        AND class < ?3",
    )?;
    let rows = statement.query_map(params![party, archive, HOME], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, i64>(2)?,
        ))
    })?;
    let mut sum = (0, 0);
    for row in rows {
        let (class, entries, bytes) = row?;
        if classes.is_empty()
            || classes
                .iter()
                .any(|wanted| *wanted as i64 == class % RECEIVED)
        {
            sum = (sum.0 + entries.unsigned_abs(), sum.1 + bytes.unsigned_abs());
        }
    }
    Ok(sum)
}

pub(super) fn usage(store: &Sqlite, owner: Option<&str>) -> Result<Usage, StoreError> {
    let db = &store.connection;
    let party = match owner {
        None => ALL,
        Some(owner) => match store.jids.find(db, owner)? {
            Some(party) => party,
            None => return Ok(Usage::default()),
        },
    };
    let (entries, bytes) = entries(db, party, None, &[])?;
    let mut usage = Usage {
        entries,
        bytes,
        ..Usage::default()
    };
    if owner.is_none() {
        let span = db.query_row("SELECT min(place), max(place) FROM entry", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        usage.span = span
            .optional()?
            .and_then(|(first, last): (Option<i64>, Option<i64>)| first.zip(last));
        let mut statement = db.prepare_cached(
            "SELECT jid, sum(entries), sum(bytes) FROM used JOIN jid ON jid.id = party \
             WHERE party > 0 AND class < ?1 GROUP BY party ORDER BY 3 DESC, 2 DESC, 1 LIMIT 10",
        )?;
        let rows = statement.query_map([RECEIVED], |row| {
            Ok((
                row.get(0)?,
                row.get::<_, i64>(1)?.unsigned_abs(),
                row.get::<_, i64>(2)?.unsigned_abs(),
            ))
        })?;
        usage.senders = rows.collect::<Result<_, _>>()?;
    }
    Ok(usage)
}
