//! Sessions of ad-hoc commands in a PostgreSQL database, shared by several processes on one JID.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use campanile::adhoc::{AcquireOutcome, BeginOutcome, SessionKey, SessionLimits, SessionStore};
use campanile::error::BoxError;

use super::statements::SessionStatements;
use crate::postgres::{ConnectionManager, Database};

/// Stores the sessions of ad-hoc commands in a PostgreSQL database.
///
/// Lets several processes on one JID share their sessions, so that a command can be continued on
/// any of them. Timeouts follow the clock of the database, so the clocks of the processes need not
/// agree.
///
/// There is one connection, opened on demand and reopened after a loss. While the database is
/// unreachable, starting or continuing a command fails, and the user is asked to try again later.
///
/// ```no_run
/// use campanile::adhoc::{Command, Commands};
/// use campanile::form::{Definition, Form};
/// use campanile::router::Router;
/// use campanile_storage::command::PostgresSessions;
/// use campanile_storage::postgres::Database;
/// # #[derive(serde::Deserialize)]
/// # struct Order { sku: String }
/// # async fn order(Form(order): Form<Order>) -> String { order.sku }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let address = "postgres://campanile@db.example.org/campanile?sslmode=verify-full";
/// let sessions = PostgresSessions::new(Database::new(address)?);
/// let order = Command::new("order", "Order something", order).form(Definition::of::<Order>());
/// let router: Router = Router::new().adhoc(Commands::new().store(sessions).add(order));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresSessions {
    connections: Arc<ConnectionManager<SessionStatements>>,
}

impl PostgresSessions {
    /// Creates a store in a database. The tables are created in the schema `campanile_command` on
    /// first use.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            connections: Arc::new(ConnectionManager::new(database)),
        }
    }
}

#[async_trait]
impl SessionStore for PostgresSessions {
    async fn begin(
        &self,
        id: &str,
        key: &SessionKey,
        state: &str,
        bounds: &SessionLimits,
    ) -> Result<BeginOutcome, BoxError> {
        let connection = self.connections.connection().await?;
        let owner = key.owner.as_str();
        let bare = key.owner.to_bare();
        let most = [bounds.all, bounds.per_domain, bounds.per_sender]
            .map(|most| i64::try_from(most).unwrap_or(i64::MAX));
        let row = self
            .connections
            .with_timeout(connection.client.query_one(
                &connection.begin,
                &[
                    &id,
                    &owner,
                    &bare.as_str(),
                    &key.owner.domain().as_str(),
                    &key.recipient.as_str(),
                    &key.recipient.domain().as_str(),
                    &key.node,
                    &state,
                    &&most[..],
                    &bounds.timeout.as_secs_f64(),
                ],
            ))
            .await?;
        Ok(if row.try_get(0)? {
            BeginOutcome::Started
        } else {
            BeginOutcome::Full
        })
    }

    async fn acquire(
        &self,
        id: &str,
        key: &SessionKey,
        bounds: &SessionLimits,
    ) -> Result<AcquireOutcome, BoxError> {
        let connection = self.connections.connection().await?;
        let owner = key.owner.as_str();
        let recipient = key.recipient.as_str();
        let time_out = bounds.timeout.as_secs_f64();
        let lease = bounds.lease.as_secs_f64();
        let row = self
            .connections
            .with_timeout(connection.client.query_one(
                &connection.take,
                &[&id, &owner, &recipient, &key.node, &time_out, &lease],
            ))
            .await?;
        Ok(match row.try_get::<_, i16>(0)? {
            0 => AcquireOutcome::Acquired {
                turn: row.try_get(1)?,
                state: row.try_get(2)?,
            },
            1 => AcquireOutcome::Busy,
            2 => AcquireOutcome::Ended,
            _ => AcquireOutcome::Unknown,
        })
    }

    async fn release(&self, id: &str, turn: i64, state: Option<&str>) -> Result<bool, BoxError> {
        let connection = self.connections.connection().await?;
        let changed = self
            .connections
            .with_timeout(
                connection
                    .client
                    .execute(&connection.put, &[&id, &turn, &state]),
            )
            .await?;
        Ok(changed == 1)
    }
}

impl fmt::Debug for PostgresSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresSessions")
            .field(&self.connections.name())
            .finish()
    }
}
