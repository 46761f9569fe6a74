//! The tables, and how an older database becomes one of this version.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::keys::Keys;
use crate::store::StoreError;

/// "camp" in the header of the file: nobody else's database is touched.
const APPLICATION: i32 = 0x6361_6d70;

/// One step for each version; the number of steps is the version.
pub(super) const STEPS: &[&str] = &[
    "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

    -- A JID is found by its keyed hash: its text stands in one place only, from where it can be \
    erased.
    CREATE TABLE jid (id INTEGER PRIMARY KEY, hash INTEGER NOT NULL UNIQUE, jid TEXT NOT NULL);

    CREATE TABLE entry (
        place     INTEGER PRIMARY KEY,  -- microseconds since 1970, made different for each: time \
        and order in one
        archive   INTEGER NOT NULL,     -- jid.id
        sender    INTEGER NOT NULL,     -- jid.id, bare
        recipient INTEGER,              -- jid.id, bare; NULL is the archive
        class     INTEGER NOT NULL,
        stanza    BLOB                  -- as it came; NULL when it was erased
    );

    -- Words, and terms for archive, parties and payloads. The texts themselves are only in the \
    stanzas.
    CREATE VIRTUAL TABLE term USING fts5 (terms, content = '', detail = none, columnsize = 0, \
    tokenize = 'ascii');
    INSERT INTO term (term, rank) VALUES ('secure-delete', 1);

    -- How much each party has. Of the party 0 is what an archive has in all, of a domain what its \
    people sent.
    CREATE TABLE used (
        party   INTEGER NOT NULL,
        archive INTEGER NOT NULL,
        class   INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        bytes   INTEGER NOT NULL,
        PRIMARY KEY (party, archive, class)
    ) WITHOUT ROWID;

    -- Ids of entries that came from another store.
    CREATE TABLE alias (id TEXT PRIMARY KEY, place INTEGER NOT NULL UNIQUE) WITHOUT ROWID;

    -- Keyed hashes of those who do not want to be logged.
    CREATE TABLE silent (hash TEXT PRIMARY KEY) WITHOUT ROWID;
",
    "
    -- Whose erasure was begun: a kill does not let anybody be forgotten by half.
    CREATE TABLE erasing (party INTEGER PRIMARY KEY);

    -- More pieces of the index before they are merged: each word is written fewer times, and \
    finding one stays quick.
    INSERT INTO term (term, rank) VALUES ('automerge', 16), ('crisismerge', 64), ('hashsize', \
    8388608);
",
];

/// Brings the schema up to date, and gives the key of the store.
pub(super) fn prepare(connection: &mut Connection) -> Result<Keys, StoreError> {
    if version(connection)? < STEPS.len() {
        // Two processes may come at the same time: the second one finds the work done.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        migrate(&transaction)?;
        transaction.commit()?;
    }
    keys(connection)
}

/// The key of a store that must be of this version.
pub(super) fn keys(connection: &Connection) -> Result<Keys, StoreError> {
    let found = version(connection)?;
    if found != STEPS.len() {
        let wanted = STEPS.len();
        return Err(StoreError::Unavailable(format!(
            "its version is {found}, this program's is {wanted}"
        )));
    }
    let secret = connection
        .query_row("SELECT value FROM meta WHERE name = 'key'", [], |row| {
            row.get(0)
        })
        .optional()?;
    let secret: Vec<u8> =
        secret.ok_or_else(|| StoreError::Fault("the database has lost its key".to_owned()))?;
    Ok(Keys::new(&secret))
}

fn migrate(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let from = version(transaction)?;
    for step in STEPS.iter().skip(from) {
        transaction.execute_batch(step)?;
    }
    if from == 0 {
        let secret = Keys::generate()
            .ok_or_else(|| StoreError::Fault("the system gives no randomness".to_owned()))?;
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
            "it was written by a newer program: version {version}"
        ))),
        Ok(0) if tables == 0 => Ok(0),
        Ok(version) if application == APPLICATION => Ok(version),
        _ => Err(StoreError::Unavailable(
            "it is the database of another program".to_owned(),
        )),
    }
}
