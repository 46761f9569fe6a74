//! Tables of presence subscriptions.

use std::path::Path;

use rusqlite::{Connection, Result, params};

use crate::sqlite::{Schema, SchemaError, Step};

/// One row per pair of addresses. Each half of a subscription is 0 none, 1 pending, 2 subscribed.
const TABLES: &str = "
    CREATE TABLE subscription (
        own TEXT NOT NULL,
        peer TEXT NOT NULL,
        domain TEXT NOT NULL,
        to_peer INTEGER NOT NULL CHECK (to_peer BETWEEN 0 AND 2),
        from_peer INTEGER NOT NULL CHECK (from_peer BETWEEN 0 AND 2),
        PRIMARY KEY (own, peer)
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX subscription_peer ON subscription (peer);
    CREATE INDEX subscription_domain ON subscription (domain);
    -- A counter, since counting all rows takes time in proportion to their number.
    CREATE TABLE total (count INTEGER NOT NULL) STRICT;
    INSERT INTO total VALUES (0);
    CREATE TRIGGER subscription_added AFTER INSERT ON subscription BEGIN UPDATE total SET count = \
    count + 1; END;
    CREATE TRIGGER subscription_removed AFTER DELETE ON subscription BEGIN UPDATE total SET count \
    = count - 1; END;
";

/// The `application_id` is "CaPr".
const SCHEMA: Schema = Schema {
    application: 0x4361_5072,
    unversioned: None,
    steps: &[Step::Sql(TABLES)],
};

/// Checks that a file could be used, without changing it.
pub(crate) fn examine(path: &Path) -> Result<(), SchemaError> {
    SCHEMA.examine(path)
}

/// Creates or migrates the tables, and rejects a file of another program or a later version.
pub(crate) fn prepare(connection: &mut Connection) -> Result<(), SchemaError> {
    // Readers and the writer do not block each other, and a commit is on disk before it returns.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // After a large transaction, the log shrinks again.
    connection.pragma_update_and_check(None, "journal_size_limit", 4_194_304, |_| Ok(()))?;
    SCHEMA.migrate(connection)
}

/// Counts the pairs of a peer, of a domain, and in total.
pub(crate) fn counts(
    connection: &Connection,
    peer: &str,
    domain: &str,
) -> Result<(usize, usize, usize)> {
    let one = |sql: &str, of: &str| {
        connection
            .prepare_cached(sql)?
            .query_row(params![of], |row| row.get::<_, i64>(0))
    };
    let of_peer = one("SELECT count(*) FROM subscription WHERE peer = ?1", peer)?;
    let of_domain = one(
        "SELECT count(*) FROM subscription WHERE domain = ?1",
        domain,
    )?;
    let all: i64 = connection
        .prepare_cached("SELECT count FROM total")?
        .query_row([], |row| row.get(0))?;
    let count = |rows: i64| usize::try_from(rows).unwrap_or_default();
    Ok((count(of_peer), count(of_domain), count(all)))
}
