//! Operator access to the outbox, safe to use while a bridge has it open.

use std::path::Path;

use campanile::error::BoxError;
use campanile_storage::sqlite::DatabaseFile;
use rusqlite::{Connection, Params, Row, params};

use super::schema;
use super::store::{DEAD, REPLAY};

/// An undelivered entry of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// The sequence number of the entry.
    pub seq: i64,
    /// The `webhook-id` of a message, or the id of a stanza for the server.
    pub id: String,
    /// The bot to which the message is addressed, or the API client that has sent the stanza.
    pub bot: String,
    /// The bare JID of the remote user.
    pub peer: String,
    /// The time at which the entry was accepted, in milliseconds since 1970.
    pub received: i64,
    /// `true` if the entry is a dead letter, `false` if delivery is still being retried.
    pub dead: bool,
    /// The reason why the last attempt failed, or why the entry is a dead letter.
    pub why: Option<String>,
    /// The number of failed attempts.
    pub attempts: u32,
    /// The time of the next attempt, in milliseconds since 1970, if one has failed.
    pub next_attempt: Option<i64>,
    /// The stanza as XML.
    pub xml: String,
}

/// Lists, replays and drops undelivered entries of an outbox.
#[derive(Debug)]
pub struct Admin {
    connection: Connection,
    file: DatabaseFile,
}

impl Admin {
    /// Opens an existing outbox file.
    ///
    /// # Errors
    /// Returns an error if the file does not exist or cannot be opened.
    pub fn open(path: &Path) -> Result<Self, BoxError> {
        if !path.exists() {
            return Err(format!("no outbox at {}", path.display()).into());
        }
        let (connection, file) = schema::open(path)?;
        Ok(Self { connection, file })
    }

    /// Returns at most `most` undelivered entries, the oldest first.
    ///
    /// # Errors
    /// Returns an error if the outbox cannot be read.
    pub fn list(&self, most: usize) -> Result<Vec<Undelivered>, BoxError> {
        let sql = "SELECT seq, id, bot, peer, received, state, why, xml, attempts, next FROM entry \
            ORDER BY seq LIMIT ?";
        let read = |row: &Row<'_>| {
            Ok(Undelivered {
                seq: row.get(0)?,
                id: row.get(1)?,
                bot: row.get(2)?,
                peer: row.get(3)?,
                received: row.get(4)?,
                dead: row.get::<_, i64>(5)? == DEAD,
                why: row.get(6)?,
                xml: row.get(7)?,
                attempts: row.get(8)?,
                next_attempt: row.get(9)?,
            })
        };
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        Ok(self
            .connection
            .prepare(sql)?
            .query_map([most], read)?
            .collect::<Result<_, _>>()?)
    }

    /// Marks one dead letter, or all of them, for redelivery with a full time to live.
    ///
    /// A running bridge picks them up within 2 seconds. The time of acceptance is kept. Returns the
    /// number of entries.
    ///
    /// # Errors
    /// Returns an error if the outbox cannot be written.
    pub fn replay(&self, seq: Option<i64>) -> Result<usize, BoxError> {
        let sql =
            "UPDATE entry SET state = ?, replayed = ? WHERE state = ? AND (seq = ? OR ? IS NULL)";
        self.execute(sql, params![REPLAY, crate::clock::now(), DEAD, seq, seq])
    }

    /// Deletes one dead letter, or all of them, and returns the number of entries.
    ///
    /// # Errors
    /// Returns an error if the outbox cannot be written.
    pub fn drop(&self, seq: Option<i64>) -> Result<usize, BoxError> {
        self.execute(
            "DELETE FROM entry WHERE state = ? AND (seq = ? OR ? IS NULL)",
            params![DEAD, seq, seq],
        )
    }

    fn execute(&self, sql: &str, values: impl Params) -> Result<usize, BoxError> {
        let changed = self.connection.execute(sql, values)?;
        // A change to a file that is gone would be lost.
        self.file.check()?;
        Ok(changed)
    }
}

impl Undelivered {
    /// Returns the entry as a JSON object on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "seq": self.seq,
            "id": self.id,
            "bot": self.bot,
            "peer": self.peer,
            "received": self.received,
            "dead": self.dead,
            "why": self.why,
            "attempts": self.attempts,
            "next_attempt": self.next_attempt,
            "xml": self.xml,
        })
        .to_string()
    }
}
