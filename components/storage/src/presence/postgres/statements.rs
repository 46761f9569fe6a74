//! The connection and its prepared statements.

use crate::postgres::{DatabaseError, PreparedConnection};
use tokio_postgres::{Client, Statement};

use super::schema::SCHEMA;

/// A connection and its prepared statements.
#[derive(Debug)]
pub(crate) struct SubscriptionStatements {
    pub(crate) client: Client,
    pub(crate) get: Statement,
    /// Reads what the limits apply to.
    pub(crate) count: Statement,
    pub(crate) insert: Statement,
    pub(crate) update: Statement,
    pub(crate) delete: Statement,
    pub(crate) list: Statement,
    pub(crate) list_of: Statement,
}

impl PreparedConnection for SubscriptionStatements {
    const PURPOSE: &'static str = "subscriptions";

    async fn prepare(mut client: Client) -> Result<Self, DatabaseError> {
        SCHEMA.prepare(&mut client).await?;
        Ok(Self {
            get: client.prepare(GET).await?,
            count: client.prepare(COUNT).await?,
            insert: client.prepare(INSERT).await?,
            update: client.prepare(UPDATE).await?,
            delete: client.prepare(DELETE).await?,
            list: client.prepare(LIST).await?,
            list_of: client.prepare(LIST_OF).await?,
            client,
        })
    }

    fn client(&self) -> &Client {
        &self.client
    }
}

const GET: &str = "SELECT to_peer, from_peer FROM subscription WHERE own = $1 AND peer = $2";
/// One statement, and thus one snapshot.
const COUNT: &str = "SELECT revision, count,
        (SELECT count(*) FROM subscription WHERE peer = $2),
        (SELECT count(*) FROM subscription WHERE domain = $3),
        EXISTS (SELECT FROM subscription WHERE own = $1 AND peer = $2)
    FROM total";
/// Inserts nothing if a row was added since revision `$6`. The row of `total` is locked first, so
/// that the other writer's row is visible or rolled back.
const INSERT: &str = "WITH current AS (
        UPDATE total SET count = count + 1, revision = revision + 1 WHERE revision = $6 RETURNING 1
    )
    INSERT INTO subscription (own, peer, domain, to_peer, from_peer)
    SELECT $1::text, $2::text, $3::text, $4::smallint, $5::smallint FROM current";
const UPDATE: &str = "UPDATE subscription SET to_peer = $5, from_peer = $6
    WHERE own = $1 AND peer = $2 AND to_peer = $3 AND from_peer = $4";
const DELETE: &str = "WITH deleted AS (
        DELETE FROM subscription
        WHERE own = $1 AND peer = $2 AND to_peer = $3 AND from_peer = $4 RETURNING 1
    )
    UPDATE total SET count = count - 1 WHERE EXISTS (SELECT FROM deleted)";
const LIST: &str = "SELECT own, peer, to_peer, from_peer FROM subscription
    WHERE (own, peer) > ($1, $2) ORDER BY own, peer LIMIT $3";
const LIST_OF: &str = "SELECT own, peer, to_peer, from_peer FROM subscription
    WHERE own = $1 AND peer > $2 ORDER BY peer LIMIT $3";
