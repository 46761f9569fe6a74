//! Tables and statements of the outbox.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Direction, Entry, Event};

/// The state of an entry that is waiting for delivery.
pub(super) const WAITING: i64 = 0;
/// The state of a dead letter.
pub(super) const DEAD: i64 = 1;
/// The state of a dead letter that an operator has replayed.
pub(super) const REPLAY: i64 = 2;

/// Size of a page of events in bytes. A page ends after the event that exceeds it.
pub(crate) const PAGE_BYTES: usize = 256 * 1024;

const COLUMNS: &str = "seq, way, id, bot, peer, xml, received";

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
    namespaces: &str,
) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO event(bot, json, namespaces) VALUES(?, ?, ?)";
    connection
        .prepare_cached(sql)?
        .execute(params![bot, json, namespaces])?;
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
    let sql = "UPDATE entry SET state = ?, why = ? WHERE seq = ?";
    connection
        .prepare_cached(sql)?
        .execute(params![state, why, seq])
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
    let sql = "SELECT seq, bot, json, namespaces FROM event WHERE seq > ? AND (bot = ? OR ? = '*') \
        ORDER BY seq LIMIT ?";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let read = |row: &Row<'_>| {
        Ok(Event {
            seq: row.get(0)?,
            bot: row.get(1)?,
            json: row.get(2)?,
            namespaces: row.get(3)?,
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

/// Returns the oldest event that is kept, or 0 if there is none.
pub(super) fn oldest_event(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT coalesce(min(seq), 0) FROM event")?
        .query_row([], |row| row.get(0))
}

pub(super) fn latest_event(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)";
    connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
}

/// Returns the stanza id and request digest stored for a key, or stores a new key and returns
/// `None`. Keys expire after a day.
pub(super) fn idempotent(
    connection: &Connection,
    (key, id, digest): (&str, &str, &str),
    now: i64,
) -> rusqlite::Result<Option<(String, String)>> {
    const DAY: i64 = 86_400_000;
    connection
        .prepare_cached("DELETE FROM answered WHERE at < ?")?
        .execute([now - DAY])?;
    let found = connection
        .prepare_cached("SELECT id, digest FROM answered WHERE key = ?")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if found.is_none() {
        let sql = "INSERT INTO answered(key, id, digest, at) VALUES(?, ?, ?, ?)";
        connection
            .prepare_cached(sql)?
            .execute(params![key, id, digest, now])?;
    }
    Ok(found)
}
