//! JIDs by number.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::keys::Keys;
use crate::store::StoreError;

/// Numbers remembered at a time.
const MAX_CACHED: usize = 65_536;

/// The numbers of JIDs, and those remembered from before.
#[derive(Debug)]
pub(super) struct Jids {
    keys: Keys,
    known: HashMap<Box<str>, i64>,
    /// Grows with each commit of another connection.
    version: i64,
}

impl Jids {
    pub(super) fn new(keys: Keys) -> Self {
        Self {
            keys,
            known: HashMap::new(),
            version: 0,
        }
    }

    /// Forgets everything when another process has written: it may have erased.
    pub(super) fn refresh(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let mut statement = connection.prepare_cached("PRAGMA data_version")?;
        let version = statement.query_row([], |row| row.get(0))?;
        if std::mem::replace(&mut self.version, version) != version {
            self.forget();
        }
        Ok(())
    }

    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// The number of a JID, if it has one.
    pub(super) fn find(
        &self,
        connection: &Connection,
        jid: &str,
    ) -> Result<Option<i64>, StoreError> {
        let mut statement = connection.prepare_cached("SELECT id, jid FROM jid WHERE hash = ?1")?;
        let found = statement.query_row([self.keys.short_hash(jid)], |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?))
        });
        match found.optional()? {
            Some((id, found)) if found == jid => Ok(Some(id)),
            Some(_) => Err(StoreError::Fault("two JIDs have the same hash".to_owned())),
            None => Ok(None),
        }
    }

    /// The number of a JID; a new one where it has none. Only within a transaction that is
    /// committed, or followed by [`forget`](Jids::forget).
    pub(super) fn number(&mut self, connection: &Connection, jid: &str) -> Result<i64, StoreError> {
        if let Some(id) = self.known.get(jid) {
            return Ok(*id);
        }
        let id = match self.find(connection, jid)? {
            Some(id) => id,
            None => {
                let mut insert =
                    connection.prepare_cached("INSERT INTO jid (hash, jid) VALUES (?1, ?2)")?;
                insert.insert(params![self.keys.short_hash(jid), jid])?
            }
        };
        if self.known.len() >= MAX_CACHED {
            self.forget();
        }
        self.known.insert(jid.into(), id);
        Ok(id)
    }
}
