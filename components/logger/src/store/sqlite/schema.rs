//! Tables and migrations of the SQLite store.

use std::path::Path;

use campanile_storage::sqlite::{Schema, SchemaError, Step};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::keys::Keys;
use crate::store::StoreError;

/// The tables of version 1.
pub(super) const TABLES: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

    -- JIDs are looked up by keyed hash: the text is stored in one place only, where it can be \
    erased.
    CREATE TABLE jid (id INTEGER PRIMARY KEY, hash INTEGER NOT NULL UNIQUE, jid TEXT NOT NULL);

    CREATE TABLE entry (
        place     INTEGER PRIMARY KEY,  -- microseconds since 1970, incremented to be unique
        archive   INTEGER NOT NULL,     -- jid.id
        sender    INTEGER NOT NULL,     -- jid.id, bare
        recipient INTEGER,              -- jid.id, bare; NULL is the archive
        class     INTEGER NOT NULL,
        stanza    BLOB                  -- as received; NULL once erased
    );

    -- Words, and terms for archive, parties and payloads. Full texts are only in the stanzas.
    CREATE VIRTUAL TABLE term USING fts5 (terms, content = '', detail = none, columnsize = 0, \
    tokenize = 'ascii');
    INSERT INTO term (term, rank) VALUES ('secure-delete', 1);

    -- Usage per party. Party 0 is the total of an archive; a domain counts what its users sent.
    CREATE TABLE used (
        party   INTEGER NOT NULL,
        archive INTEGER NOT NULL,
        class   INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        bytes   INTEGER NOT NULL,
        PRIMARY KEY (party, archive, class)
    ) WITHOUT ROWID;

    -- IDs of entries imported from another store.
    CREATE TABLE alias (id TEXT PRIMARY KEY, place INTEGER NOT NULL UNIQUE) WITHOUT ROWID;

    -- Keyed hashes of JIDs that have opted out of logging.
    CREATE TABLE silent (hash TEXT PRIMARY KEY) WITHOUT ROWID;
";

const ERASURES: &str = "
    -- Erasures in progress, which are resumed after a crash.
    CREATE TABLE erasing (party INTEGER PRIMARY KEY);

    -- More index segments before a merge: each word is rewritten less often, and lookups stay \
    fast.
    INSERT INTO term (term, rank) VALUES ('automerge', 16), ('crisismerge', 64), ('hashsize', \
    8388608);
";

/// Entries before this place have terms of version 2, until they are updated.
const REINDEX: &str = "
    INSERT INTO meta (name, value)
        SELECT 'reindex', max(place) + 1 FROM entry HAVING max(place) IS NOT NULL;
";

/// The `application_id` is "camp".
const SCHEMA: Schema = Schema {
    application: 0x6361_6d70,
    unversioned: None,
    steps: &[Step::Call(create), Step::Sql(ERASURES), Step::Sql(REINDEX)],
};

/// Checks that a file could be used, without changing it.
pub(super) fn examine(path: &Path) -> Result<(), SchemaError> {
    SCHEMA.examine(path)
}

/// Migrates the schema and returns the keys of the store.
pub(super) fn prepare(connection: &mut Connection) -> Result<Keys, StoreError> {
    SCHEMA.migrate(connection)?;
    keys(connection)
}

/// Returns the keys of a store, which must have the current schema version.
pub(super) fn keys(connection: &Connection) -> Result<Keys, StoreError> {
    SCHEMA.check(connection)?;
    let secret = connection
        .query_row("SELECT value FROM meta WHERE name = 'key'", [], |row| {
            row.get(0)
        })
        .optional()?;
    let secret: Vec<u8> =
        secret.ok_or_else(|| StoreError::Fault("database has no key".to_owned()))?;
    Ok(Keys::new(&secret))
}

/// Creates the tables and the key.
fn create(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(TABLES)?;
    let no_key = || "system random number generator failed".into();
    let secret =
        Keys::generate().ok_or_else(|| rusqlite::Error::ToSqlConversionFailure(no_key()))?;
    transaction.execute(
        "INSERT INTO meta (name, value) VALUES ('key', ?1)",
        params![secret.as_slice()],
    )?;
    Ok(())
}

impl From<SchemaError> for StoreError {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Sqlite(error) => error.into(),
            SchemaError::Replaced(error) => error.into(),
            error => Self::Unavailable(error.to_string()),
        }
    }
}
