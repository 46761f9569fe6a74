//! Numbering of JIDs.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::keys::Keys;
use crate::store::StoreError;

/// Maximum number of cached JID numbers.
const MAX_CACHED: usize = 65_536;

/// A cache of JID numbers.
#[derive(Debug)]
pub(super) struct Jids {
    keys: Keys,
    known: HashMap<Box<str>, i64>,
    /// `PRAGMA data_version`, which changes with each commit of another connection.
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

    /// Clears the cache if another process has written, as it may have erased a JID.
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

    /// Returns the number of a JID, if it has one.
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
            Some(_) => Err(StoreError::Fault("hash collision of two JIDs".to_owned())),
            None => Ok(None),
        }
    }

    /// Returns the number of a JID, assigning one if needed. To be called within a transaction; if
    /// that is rolled back, call [`forget`](Jids::forget).
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
