//! Tables and migrations of the PostgreSQL store.

use campanile_storage::postgres::{DatabaseError, Schema};
use postgres::Client;

use crate::keys::Keys;
use crate::store::StoreError;

const TABLES: &str = "
    CREATE TABLE jid (id bigserial PRIMARY KEY, hash bigint NOT NULL UNIQUE, jid text NOT NULL);
    CREATE TABLE entry (
        place     bigint PRIMARY KEY,
        archive   bigint NOT NULL,
        sender    bigint NOT NULL,
        recipient bigint,
        class     smallint NOT NULL,
        stanza    bytea,
        terms     tsvector NOT NULL
    );
    CREATE INDEX entry_terms ON entry USING gin (terms) WITH (fastupdate = on, \
    gin_pending_list_limit = 16384);
    CREATE TABLE used (
        party   bigint NOT NULL,
        archive bigint NOT NULL,
        class   bigint NOT NULL,
        entries bigint NOT NULL,
        bytes   bigint NOT NULL,
        PRIMARY KEY (party, archive, class)
    ) WITH (fillfactor = 50);
    CREATE TABLE alias (id text PRIMARY KEY, place bigint NOT NULL UNIQUE);
    CREATE TABLE silent (hash text PRIMARY KEY);
    CREATE TABLE epoch (epoch bigint NOT NULL);
    INSERT INTO epoch VALUES (1);
";

/// Entries before this place have terms of version 2, until they are updated.
const REINDEX: &str = "
    CREATE TABLE reindex (boundary bigint NOT NULL);
    INSERT INTO reindex SELECT max(place) + 1 FROM entry HAVING max(place) IS NOT NULL;
";

/// The INSERT that finds the pending list of the index full merges it, and the receipts of its
/// batch wait: 370 ms for the 16 MB of version 1. With 1 MB, 99 % of commits take less than 52 ms.
const SHORT_MERGES: &str = "ALTER INDEX entry_terms SET (gin_pending_list_limit = 1024)";

/// The lock is "logr", the one of [`LOCK`].
const SCHEMA: Schema = Schema {
    name: "campanile_logger",
    steps: &[
        TABLES,
        "CREATE TABLE erasing (party bigint PRIMARY KEY)",
        REINDEX,
        SHORT_MERGES,
    ],
    lock: 1_819_240_306,
};

/// The advisory lock of writers, held until the end of the transaction: "camp" and "logr".
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock(1667329392, 1819240306)";

/// Migrates the schema and returns the keys of the store.
pub(super) fn prepare(client: &mut Client, write: bool) -> Result<Keys, StoreError> {
    // A commit is on disk before it is reported.
    client.batch_execute(
        "SET search_path = campanile_logger; SET synchronous_commit = on; SET lock_timeout = \
        '10s'; SET statement_timeout = '30s'",
    )?;
    if write {
        create_key(client)?;
        SCHEMA.migrate_blocking(client)?;
    } else {
        // Access paths are chosen in `read`; PostgreSQL's planner cannot estimate words that are
        // not in its sample.
        client.batch_execute("SET enable_seqscan = off")?;
    }
    let row = client.query_opt("SELECT version, key FROM meta", &[])?;
    let row = row.ok_or_else(|| {
        StoreError::Unavailable("store does not exist yet; `campanile run` creates it".to_owned())
    })?;
    let found: i64 = row.get(0);
    let key: Vec<u8> = row.get(1);
    SCHEMA.check(found).map_err(DatabaseError::from)?;
    Ok(Keys::new(&key))
}

/// Creates the table `meta` at version 0, with the key in the same row.
fn create_key(client: &mut Client) -> Result<(), StoreError> {
    let mut transaction = client.transaction()?;
    // Instances may start concurrently; the second one finds the key created.
    transaction.query(LOCK, &[])?;
    transaction.batch_execute(
        "CREATE SCHEMA IF NOT EXISTS campanile_logger; \
         CREATE TABLE IF NOT EXISTS meta (version bigint NOT NULL, key bytea NOT NULL)",
    )?;
    if transaction.query_opt("SELECT FROM meta", &[])?.is_none() {
        let key = Keys::generate()
            .ok_or_else(|| StoreError::Fault("system random number generator failed".to_owned()))?;
        transaction.execute(
            "INSERT INTO meta (version, key) VALUES (0, $1)",
            &[&key.as_slice()],
        )?;
    }
    Ok(transaction.commit()?)
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Connect(error) => error.into(),
            DatabaseError::Database(error) => error.into(),
            error => Self::Unavailable(error.to_string()),
        }
    }
}
