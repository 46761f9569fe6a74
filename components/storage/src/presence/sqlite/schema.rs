//! Tables of presence subscriptions.

use rusqlite::{Connection, OptionalExtension, Result, params};

/// The `application_id` in the file header, which protects files of other programs: "CaPr".
const APPLICATION: i32 = 0x4361_5072;
const VERSION: i32 = 1;

/// One row per pair of addresses. Each half of a subscription is 0 none, 1 pending, 2 subscribed.
const SCHEMA: &str = "
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

/// Initializes a new file, and rejects a file of another program or version.
pub(crate) fn prepare(connection: &mut Connection) -> Result<(), OpenErrorKind> {
    // Readers and the writer do not block each other, and a commit is on disk before it returns.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let number = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let empty = transaction
        .query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(()))
        .optional()?
        .is_none();
    match (number("application_id")?, number("user_version")?) {
        (APPLICATION, VERSION) => return Ok(()),
        (APPLICATION, version) => return Err(OpenErrorKind::Version(version)),
        _ if !empty => return Err(OpenErrorKind::Foreign),
        _ => {}
    }
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(transaction.commit()?)
}

/// The reason why a file is rejected.
#[derive(Debug)]
pub(crate) enum OpenErrorKind {
    Foreign,
    Version(i32),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for OpenErrorKind {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
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
