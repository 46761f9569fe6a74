//! Tables and migrations of the outbox.

use std::path::Path;
use std::time::Duration;

use campanile_storage::sqlite::{DatabaseFile, Schema, SchemaError, Step};
use rusqlite::{Connection, OpenFlags, Transaction};

use crate::clock;

/// The tables of version 1, whose files did not carry a version.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS entry(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, way INTEGER NOT NULL, id TEXT NOT NULL, bot TEXT NOT \
    NULL, peer TEXT NOT NULL,
    xml TEXT NOT NULL, received INTEGER NOT NULL, state INTEGER NOT NULL, why TEXT);
CREATE INDEX IF NOT EXISTS entry_state ON entry(state) WHERE state > 0;
CREATE TABLE IF NOT EXISTS event(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, bot TEXT NOT NULL, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answered(
    key TEXT PRIMARY KEY, id TEXT NOT NULL, digest TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT \
    ROWID;
CREATE INDEX IF NOT EXISTS answered_at ON answered(at);
";

/// The `application_id` is "CaOb".
const SCHEMA: Schema = Schema {
    application: 0x4361_4f62,
    unversioned: Some("entry"),
    steps: &[
        Step::Sql(TABLES),
        Step::Call(complete),
        Step::Call(labels),
        Step::Sql(ATTEMPTS),
    ],
};

/// Checks that a file could be used, without changing it.
pub(super) fn examine(path: &Path) -> Result<(), SchemaError> {
    SCHEMA.examine(path)
}

/// Completes version 1: its files may lack tables, if their creation was interrupted, and the
/// column `namespaces`, which later programs added without a version.
fn complete(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(TABLES)?;
    let known = "SELECT count(*) FROM pragma_table_info('event') WHERE name = 'namespaces'";
    if transaction.query_row(known, [], |row| row.get::<_, i64>(0))? == 0 {
        transaction
            .execute_batch("ALTER TABLE event ADD COLUMN namespaces TEXT NOT NULL DEFAULT ''")?;
    }
    Ok(())
}

/// The attempts at an entry, the time of the next one, and the time of an operator's replay, all
/// times in milliseconds since 1970.
const ATTEMPTS: &str = "
ALTER TABLE entry ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entry ADD COLUMN next INTEGER;
ALTER TABLE entry ADD COLUMN replayed INTEGER;
";

/// Adds the labels of events and the outcome of keyed requests, and numbers the events of a new
/// file from the time of its creation.
///
/// A cursor of a file that was deleted is then older than every event of the new one, so its reader
/// gets a `gap`.
fn labels(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "ALTER TABLE event ADD COLUMN labels TEXT NOT NULL DEFAULT '';
         ALTER TABLE answered ADD COLUMN seq INTEGER;
         ALTER TABLE answered ADD COLUMN refused TEXT;
         CREATE INDEX answered_seq ON answered(seq);",
    )?;
    let numbered = "SELECT count(*) FROM sqlite_sequence WHERE name = 'event'";
    if transaction.query_row(numbered, [], |row| row.get::<_, i64>(0))? == 0 {
        transaction.execute(
            "INSERT INTO sqlite_sequence(name, seq) VALUES('event', ?)",
            [clock::first_event()],
        )?;
    }
    Ok(())
}

/// Opens or creates an outbox, and migrates it to the current version.
pub(super) fn open(path: &Path) -> Result<(Connection, DatabaseFile), SchemaError> {
    let (mut connection, file) = DatabaseFile::open(path, OpenFlags::default())?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // After a large transaction, the log shrinks again.
    connection.pragma_update_and_check(None, "journal_size_limit", 4_194_304, |_| Ok(()))?;
    SCHEMA.migrate(&mut connection)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok((connection, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path of a file that is removed on drop, with its write-ahead log.
    struct File(std::path::PathBuf);

    impl File {
        fn new(name: &str) -> Self {
            let name = format!("campanile-outbox-{}-{name}.db", std::process::id());
            Self(std::env::temp_dir().join(name))
        }

        /// Returns a file of version 1, as written before versions were stored.
        fn unversioned(name: &str, event: &str) -> Self {
            let file = Self::new(name);
            let old = Connection::open(&file.0).unwrap();
            old.execute_batch(TABLES).unwrap();
            old.execute_batch(event).unwrap();
            file
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            for end in ["", "-wal", "-shm"] {
                let mut path = self.0.clone().into_os_string();
                path.push(end);
                let _ = std::fs::remove_file(path);
            }
        }
    }

    #[test]
    fn files_without_version_are_migrated() {
        let first = "INSERT INTO event (bot, json) VALUES ('b', '{}')";
        let later = format!(
            "ALTER TABLE event ADD COLUMN namespaces TEXT NOT NULL DEFAULT ''; {first}; \
             UPDATE event SET namespaces = 'a'"
        );
        let interrupted = format!("{later}; DROP TABLE answered");
        for (name, event, expected) in [
            ("first", first, ""),
            ("later", &later, "a"),
            ("interrupted", &interrupted, "a"),
        ] {
            let file = File::unversioned(name, event);
            for _ in 0..2 {
                let (connection, _file) = open(&file.0).unwrap();
                let read = |sql| {
                    connection
                        .query_row(sql, [], |row| row.get::<_, String>(0))
                        .unwrap()
                };
                assert_eq!(read("SELECT namespaces FROM event"), expected, "{name}");
                let version = "SELECT cast(user_version AS TEXT) FROM pragma_user_version";
                assert_eq!(read(version), "4", "{name}");
                assert_eq!(read("SELECT count(*) || '' FROM answered"), "0", "{name}");
            }
        }
    }

    #[test]
    fn newer_or_foreign_file_is_rejected() {
        let file = File::new("newer");
        let (connection, _file) = open(&file.0).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = open(&file.0).unwrap_err().to_string();
        let newer = "newer.db has schema 99, this campanile supports 4: install the newer version";
        assert!(error.ends_with(newer), "{error}");
        let file = File::new("foreign");
        let connection = Connection::open(&file.0).unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        let error = open(&file.0).unwrap_err().to_string();
        assert!(error.contains("belongs to another program"), "{error}");
    }
}
