//! Tables and statements of the outbox.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Direction, Entry, Event, Key, Remembered};
use crate::labels::Labels;

/// The state of an entry that is waiting for delivery.
pub(super) const WAITING: i64 = 0;
/// The state of a dead letter.
pub(super) const DEAD: i64 = 1;
/// The state of a dead letter that an operator has replayed.
pub(super) const REPLAY: i64 = 2;

/// Size of a page of events in bytes. A page ends after the event that exceeds it.
pub(crate) const PAGE_BYTES: usize = 256 * 1024;

/// `max_age` of a replayed entry counts from its replay.
const COLUMNS: &str = "seq, way, id, bot, peer, xml, coalesce(replayed, received)";

pub(super) fn put(connection: &Connection, entry: &Entry) -> rusqlite::Result<i64> {
    let sql =
        "INSERT INTO entry(way, id, bot, peer, xml, received, state) VALUES(?, ?, ?, ?, ?, ?, 0)";
    let way = entry.direction as i64;
    connection.prepare_cached(sql)?.execute(params![
        way,
        entry.id,
        entry.bot,
        entry.peer,
        entry.xml,
        entry.received
    ])?;
    Ok(connection.last_insert_rowid())
}

pub(super) fn put_event(
    connection: &Connection,
    bot: &str,
    json: &str,
    labels: &Labels,
) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO event(bot, json, labels) VALUES(?, ?, ?)";
    // Labels are strings, which are always valid JSON.
    let labels = serde_json::to_string(labels).unwrap_or_default();
    connection
        .prepare_cached(sql)?
        .execute(params![bot, json, labels])?;
    Ok(connection.last_insert_rowid())
}

/// Deletes all but the latest `keep` events.
pub(super) fn trim_events(connection: &Connection, keep: i64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM event WHERE seq <= (SELECT max(seq) FROM event) - ?";
    connection.prepare_cached(sql)?.execute([keep]).map(drop)
}

pub(super) fn done(connection: &Connection, seq: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM entry WHERE seq = ?")?
        .execute([seq])
        .map(drop)
}

pub(super) fn state(
    connection: &Connection,
    seq: i64,
    state: i64,
    why: Option<&str>,
) -> rusqlite::Result<()> {
    let sql = "UPDATE entry SET state = ?, why = ?, next = NULL WHERE seq = ?";
    connection
        .prepare_cached(sql)?
        .execute(params![state, why, seq])
        .map(drop)
}

/// Stores a failed attempt, its reason, and the time of the next one.
pub(super) fn attempted(
    connection: &Connection,
    seq: i64,
    why: &str,
    next: Option<i64>,
) -> rusqlite::Result<()> {
    let sql = "UPDATE entry SET attempts = attempts + 1, why = ?, next = ? WHERE seq = ?";
    connection
        .prepare_cached(sql)?
        .execute(params![why, next, seq])
        .map(drop)
}

/// Returns a page of waiting entries.
pub(super) fn waiting(connection: &Connection, after: i64) -> rusqlite::Result<Vec<Entry>> {
    let sql =
        format!("SELECT {COLUMNS} FROM entry WHERE state = 0 AND seq > ? ORDER BY seq LIMIT 1000");
    connection
        .prepare_cached(&sql)?
        .query_map([after], entry)?
        .collect()
}

pub(super) fn replayed(connection: &Connection) -> rusqlite::Result<Vec<Entry>> {
    let sql = format!("SELECT {COLUMNS} FROM entry WHERE state = {REPLAY} ORDER BY seq LIMIT 1000");
    connection
        .prepare_cached(&sql)?
        .query_map([], entry)?
        .collect()
}

pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        seq: row.get(0)?,
        direction: if row.get::<_, i64>(1)? == Direction::ToWebhook as i64 {
            Direction::ToWebhook
        } else {
            Direction::ToServer
        },
        id: row.get(2)?,
        bot: row.get(3)?,
        peer: row.get(4)?,
        xml: row.get(5)?,
        received: row.get(6)?,
    })
}

pub(super) fn events(
    connection: &Connection,
    bot: &str,
    after: i64,
    most: usize,
) -> rusqlite::Result<Vec<Event>> {
    let sql = "SELECT seq, bot, json, namespaces, labels FROM event WHERE seq > ? AND (bot = ? OR ? = '*') \
        ORDER BY seq LIMIT ?";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let read = |row: &Row<'_>| {
        let json: String = row.get(2)?;
        let namespaces: String = row.get(3)?;
        let labels = serde_json::from_str(&row.get::<_, String>(4)?)
            .unwrap_or_else(|_| Labels::of_json(&json, &namespaces));
        Ok(Event {
            seq: row.get(0)?,
            bot: row.get(1)?,
            json,
            labels,
        })
    };
    let mut statement = connection.prepare_cached(sql)?;
    // A page is limited in bytes as well, and contains at least one event.
    let mut page: Vec<Event> = Vec::new();
    let mut bytes: usize = 0;
    for event in statement.query_map(params![after, bot, bot, most], read)? {
        let event = event?;
        bytes += event.json.len();
        page.push(event);
        if bytes > PAGE_BYTES {
            break;
        }
    }
    Ok(page)
}

/// Returns the oldest event that is kept.
pub(super) fn oldest_event(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT min(seq) FROM event")?
        .query_row([], |row| row.get(0))
}

pub(super) fn latest_event(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)";
    connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
}

/// Returns what is stored for an idempotency key. Keys expire after a day.
pub(super) fn remembered(
    connection: &Connection,
    key: &str,
    now: i64,
) -> rusqlite::Result<Option<Remembered>> {
    const DAY: i64 = 86_400_000;
    connection
        .prepare_cached("DELETE FROM answered WHERE at < ?")?
        .execute([now.saturating_sub(DAY)])?;
    connection
        .prepare_cached("SELECT id, digest, refused FROM answered WHERE key = ?")?
        .query_row([key], |row| {
            Ok(Remembered {
                id: row.get(0)?,
                digest: row.get(1)?,
                refused: row.get(2)?,
            })
        })
        .optional()
}

/// Stores an idempotency key for an entry.
pub(super) fn remember(
    connection: &Connection,
    key: &Key,
    entry: &Entry,
    now: i64,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO answered(key, id, digest, at, seq) VALUES(?, ?, ?, ?, ?)";
    connection
        .prepare_cached(sql)?
        .execute(params![key.key, entry.id, key.digest, now, entry.seq])
        .map(drop)
}

/// Stores the reason why an entry was refused with its idempotency key, or removes it.
pub(super) fn refused(
    connection: &Connection,
    seq: i64,
    why: Option<&str>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE answered SET refused = ? WHERE seq = ?")?
        .execute(params![why, seq])
        .map(drop)
}
