//! The connection and its prepared statements.

use crate::postgres::{DatabaseError, PreparedConnection};
use tokio_postgres::{Client, Statement};

use super::schema::SCHEMA;

/// A connection and its prepared statements.
#[derive(Debug)]
pub(crate) struct SessionStatements {
    pub(crate) client: Client,
    /// Reads what the limits apply to.
    pub(crate) list: Statement,
    pub(crate) insert: Statement,
    pub(crate) find: Statement,
    pub(crate) acquire: Statement,
    pub(crate) release: Statement,
}

impl PreparedConnection for SessionStatements {
    const PURPOSE: &'static str = "command sessions";

    async fn prepare(mut client: Client) -> Result<Self, DatabaseError> {
        SCHEMA.prepare(&mut client).await?;
        Ok(Self {
            list: client.prepare(LIST).await?,
            insert: client.prepare(INSERT).await?,
            find: client.prepare(FIND).await?,
            acquire: client.prepare(ACQUIRE).await?,
            release: client.prepare(RELEASE).await?,
            client,
        })
    }

    fn client(&self) -> &Client {
        &self.client
    }
}

/// One statement, and thus one snapshot. The sessions of other domains are listed only if the
/// component has `$4` or more. Without sessions, the result is one row without an id.
const LIST: &str = "WITH stored AS MATERIALIZED (
        SELECT count(*) AS count FROM session WHERE component = $1
    )
    SELECT revision, stored.count, id, bare = $2, domain = $3, state IS NULL,
        (extract(epoch FROM now() - touched) * 1000000)::bigint, coalesce(until >= now(), false)
    FROM total CROSS JOIN stored
    LEFT JOIN session ON component = $1 AND (domain = $3 OR stored.count >= $4)";
/// Changes nothing if a session was started since revision `$9`. The row of `total` is locked
/// first, so that the other session is visible or rolled back. Rows older than `$12` seconds are
/// deleted, too.
const INSERT: &str = "WITH current AS (
        UPDATE total SET revision = revision + 1 WHERE revision = $9 RETURNING 1
    ), ended AS (
        UPDATE session SET state = NULL, until = NULL, turn = turn + 1
        FROM current WHERE id = ANY($10)
    ), dropped AS (
        DELETE FROM session USING current WHERE id = ANY($11) OR (component = $6
            AND touched < now() - make_interval(secs => $12) AND coalesce(until < now(), true))
    )
    INSERT INTO session (id, owner, bare, domain, recipient, component, node, state)
    SELECT $1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text
    FROM current";
const FIND: &str = "SELECT turn, state IS NULL,
        (extract(epoch FROM now() - touched) * 1000000)::bigint, coalesce(until >= now(), false)
    FROM session WHERE id = $1 AND owner = $2 AND recipient = $3 AND node = $4";
/// Changes nothing if the session was acquired or has ended since it was read.
const ACQUIRE: &str = "UPDATE session
    SET turn = turn + 1, until = now() + make_interval(secs => $3)
    WHERE id = $1 AND turn = $2 AND state IS NOT NULL RETURNING turn, state";
const RELEASE: &str = "UPDATE session SET state = $3, until = NULL, touched = now()
    WHERE id = $1 AND turn = $2 AND until IS NOT NULL";
