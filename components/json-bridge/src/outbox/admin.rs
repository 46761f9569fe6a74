//! The outbox as an operator sees it, also beside a process that is using it.

use std::path::Path;

use campanile::error::BoxError;
use rusqlite::{Connection, Row, params};

use super::store::{self, DEAD, REPLAY};

/// Something that was not delivered, or not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// Its number.
    pub seq: i64,
    /// The id that the webhook sees on each attempt, or that of the stanza.
    pub id: String,
    /// The bot that it is for, or the caller that it comes from.
    pub bot: String,
    /// The JID at the other end.
    pub peer: String,
    /// Milliseconds since 1970 when it was taken over.
    pub received: i64,
    /// Given up, and waits for an operator; else it is still tried.
    pub dead: bool,
    /// Why it was given up.
    pub why: Option<String>,
    /// The stanza.
    pub xml: String,
}

/// Lists what is undelivered, has it tried again, drops it.
#[derive(Debug)]
pub struct Admin(Connection);

impl Admin {
    /// Opens the outbox in this file, which must be there.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, BoxError> {
        if !path.exists() {
            return Err(format!("there is no outbox at {}", path.display()).into());
        }
        Ok(Self(store::open(path)?))
    }

    /// What is undelivered, the oldest first, at most `most`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn list(&self, most: usize) -> Result<Vec<Undelivered>, BoxError> {
        let sql =
            "SELECT seq, id, bot, peer, received, state, why, xml FROM entry ORDER BY seq LIMIT ?";
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
            })
        };
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        Ok(self
            .0
            .prepare(sql)?
            .query_map([most], read)?
            .collect::<Result<_, _>>()?)
    }

    /// Has dead ones tried again, with a full time to live: one, or all. Says how many.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replay(&self, seq: Option<i64>) -> Result<usize, BoxError> {
        let sql =
            "UPDATE entry SET state = ?, received = ? WHERE state = ? AND (seq = ? OR ? IS NULL)";
        Ok(self
            .0
            .execute(sql, params![REPLAY, crate::clock::now(), DEAD, seq, seq])?)
    }

    /// Drops dead ones: one, or all. Says how many.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn drop(&self, seq: Option<i64>) -> Result<usize, BoxError> {
        Ok(self.0.execute(
            "DELETE FROM entry WHERE state = ? AND (seq = ? OR ? IS NULL)",
            params![DEAD, seq, seq],
        )?)
    }
}

impl Undelivered {
    /// As one JSON object, on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "seq": self.seq, "id": self.id, "bot": self.bot, "peer": self.peer, "received": self.received,
            "dead": self.dead, "why": self.why, "xml": self.xml,
        })
        .to_string()
    }
}
