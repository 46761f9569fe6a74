//! The connection and its prepared statements.

use crate::postgres::{DatabaseError, PreparedConnection};
use tokio_postgres::{Client, Statement};

use super::schema::SCHEMA;

/// A connection and its prepared statements.
#[derive(Debug)]
pub(crate) struct SubscriptionStatements {
    pub(crate) client: Client,
    pub(crate) get: Statement,
    pub(crate) put: Statement,
    pub(crate) list: Statement,
    pub(crate) list_of: Statement,
}

impl PreparedConnection for SubscriptionStatements {
    const PURPOSE: &'static str = "subscriptions";

    async fn prepare(mut client: Client) -> Result<Self, DatabaseError> {
        SCHEMA.prepare(&mut client).await?;
        let get = client
            .prepare("SELECT to_peer, from_peer FROM subscription WHERE own = $1 AND peer = $2")
            .await?;
        let put = client.prepare("SELECT put($1, $2, $3, $4, $5)").await?;
        let columns = "SELECT own, peer, to_peer, from_peer FROM subscription";
        let all = format!("{columns} WHERE (own, peer) > ($1, $2) ORDER BY own, peer LIMIT $3");
        let list = client.prepare(&all).await?;
        let of = format!("{columns} WHERE own = $1 AND peer > $2 ORDER BY peer LIMIT $3");
        let list_of = client.prepare(&of).await?;
        Ok(Self {
            client,
            get,
            put,
            list,
            list_of,
        })
    }

    fn client(&self) -> &Client {
        &self.client
    }
}
