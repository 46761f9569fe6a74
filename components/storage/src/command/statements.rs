//! The connection and its prepared statements.

use crate::postgres::{DatabaseError, PreparedConnection};
use tokio_postgres::{Client, Statement};

use super::schema::SCHEMA;

/// A connection and its prepared statements.
#[derive(Debug)]
pub(crate) struct SessionStatements {
    pub(crate) client: Client,
    pub(crate) begin: Statement,
    pub(crate) take: Statement,
    pub(crate) put: Statement,
}

impl PreparedConnection for SessionStatements {
    const PURPOSE: &'static str = "command sessions";

    async fn prepare(mut client: Client) -> Result<Self, DatabaseError> {
        SCHEMA.prepare(&mut client).await?;
        let begin = client
            .prepare("SELECT begin($1, $2, $3, $4, $5, $6, $7, $8, $9, make_interval(secs => $10))")
            .await?;
        let take = client
            .prepare(
                "SELECT became, a_turn, a_state \
                 FROM take($1, $2, $3, $4, make_interval(secs => $5), make_interval(secs => $6))",
            )
            .await?;
        let put = client
            .prepare(
                "UPDATE session SET state = $3, until = NULL, touched = now() WHERE id = $1 \
                AND turn = $2 AND until IS NOT NULL",
            )
            .await?;
        Ok(Self {
            client,
            begin,
            take,
            put,
        })
    }

    fn client(&self) -> &Client {
        &self.client
    }
}
