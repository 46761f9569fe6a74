//! Tables and migrations of the SQLite store.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::keys::Keys;
use crate::store::StoreError;

/// The `application_id` in the file header ("camp"), which protects databases of other programs.
const APPLICATION: i32 = 0x6361_6d70;

/// Migrations, one per version; their number is the current version.
pub(super) const STEPS: &[&str] = &[
    "
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
",
    "
    -- Erasures in progress, which are resumed after a crash.
    CREATE TABLE erasing (party INTEGER PRIMARY KEY);

    -- More index segments before a merge: each word is rewritten less often, and lookups stay \
    fast.
    INSERT INTO term (term, rank) VALUES ('automerge', 16), ('crisismerge', 64), ('hashsize', \
    8388608);
",
];

/// Migrates the schema and returns the keys of the store.
pub(super) fn prepare(connection: &mut Connection) -> Result<Keys, StoreError> {
    if version(connection)? < STEPS.len() {
        // Processes may start concurrently; the second one finds the schema migrated.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        migrate(&transaction)?;
        transaction.commit()?;
    }
    keys(connection)
}

/// Returns the keys of a store, which must have the current schema version.
pub(super) fn keys(connection: &Connection) -> Result<Keys, StoreError> {
    let found = version(connection)?;
    if found != STEPS.len() {
        let wanted = STEPS.len();
        return Err(StoreError::Unavailable(format!(
            "schema version is {found}, expected {wanted}; `campanile run` upgrades older versions"
        )));
    }
    let secret = connection
        .query_row("SELECT value FROM meta WHERE name = 'key'", [], |row| {
            row.get(0)
        })
        .optional()?;
    let secret: Vec<u8> =
        secret.ok_or_else(|| StoreError::Fault("database has no key".to_owned()))?;
    Ok(Keys::new(&secret))
}

fn migrate(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let from = version(transaction)?;
    for step in STEPS.iter().skip(from) {
        transaction.execute_batch(step)?;
    }
    if from == 0 {
        let secret = Keys::generate()
            .ok_or_else(|| StoreError::Fault("system random number generator failed".to_owned()))?;
        transaction.execute(
            "INSERT INTO meta (name, value) VALUES ('key', ?1)",
            params![secret.as_slice()],
        )?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(
        None,
        "user_version",
        i64::try_from(STEPS.len()).unwrap_or(i64::MAX),
    )?;
    Ok(())
}

fn version(connection: &Connection) -> Result<usize, StoreError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let application = number("application_id")?;
    let version = number("user_version")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match usize::try_from(version) {
        Ok(version) if version > STEPS.len() => Err(StoreError::Unavailable(format!(
            "schema version is {version}, newer than this program; install a newer campanile"
        ))),
        Ok(0) if tables == 0 => Ok(0),
        Ok(version) if application == APPLICATION => Ok(version),
        _ => Err(StoreError::Unavailable(
            "file belongs to another program; choose another file".to_owned(),
        )),
    }
}
