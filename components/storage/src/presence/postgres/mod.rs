//! Presence subscriptions in a PostgreSQL database, shared by several processes on one JID.

mod schema;
mod statements;
mod write;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use campanile::error::BoxError;
use campanile::jid::BareJid;
use campanile::presence::{
    CompareAndSwap, HalfState, PutOutcome, Subscription, SubscriptionKey, SubscriptionLimits,
    SubscriptionStore,
};
use tokio::sync::Mutex;
use tokio_postgres::Row;

use self::statements::SubscriptionStatements;
use self::write::stored_if;
use crate::postgres::{ConnectionManager, Database};

/// Stores presence subscriptions in a PostgreSQL database, shared by several processes on one JID.
///
/// Changes are on the database's disk before they are reported.
///
/// There is one connection, opened on demand and reopened after a loss. While the database is
/// unreachable, every call fails, so that a roster changes nothing that it cannot store.
///
/// ```no_run
/// use campanile::component::Component;
/// use campanile::presence::Roster;
/// use campanile_storage::postgres::Database;
/// use campanile_storage::presence::PostgresSubscriptions;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let address = "postgres://campanile@db.example.org/campanile?sslmode=verify-full";
/// let roster = Roster::new(PostgresSubscriptions::new(Database::new(address)?));
/// let component = Component::builder("bot.example.org")
///     .server("127.0.0.1:5347")
///     .secret("secret")
///     .module(roster);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresSubscriptions {
    connections: Arc<ConnectionManager<SubscriptionStatements>>,
    /// Held while a row is added, so that only processes compete, not the tasks of each.
    adding: Arc<Mutex<()>>,
}

impl PostgresSubscriptions {
    /// Creates a store in a database. The tables are created in the schema `campanile_presence` on
    /// first use.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            connections: Arc::new(ConnectionManager::new(database)),
            adding: Arc::default(),
        }
    }
}

#[async_trait]
impl SubscriptionStore for PostgresSubscriptions {
    async fn check(&self) -> Result<(), BoxError> {
        self.connections.check().await
    }

    /// Fails only if the error is permanent; an unreachable database is retried on demand.
    async fn open(&self) -> Result<(), BoxError> {
        self.connections.try_open().await
    }

    async fn get(&self, pair: &SubscriptionKey) -> Result<Subscription, BoxError> {
        let connection = self.connections.connection().await?;
        let own = pair.own.as_str();
        let peer = pair.peer.as_str();
        let row = self
            .connections
            .with_timeout(connection.client.query_opt(&connection.get, &[&own, &peer]))
            .await?;
        row.map_or(Ok(Subscription::NONE), |row| subscription(&row, 0))
    }

    async fn put(
        &self,
        pair: &SubscriptionKey,
        change: CompareAndSwap,
        bounds: &SubscriptionLimits,
    ) -> Result<PutOutcome, BoxError> {
        let CompareAndSwap { before, after } = change;
        match (before.is_none(), after.is_none()) {
            (true, true) => Ok(stored_if(self.get(pair).await?.is_none())),
            (true, false) => self.add(pair, after, bounds).await,
            (false, true) => self.remove(pair, before).await,
            (false, false) => self.replace(pair, before, after).await,
        }
    }

    async fn list(
        &self,
        own: Option<&BareJid>,
        after: Option<&SubscriptionKey>,
        most: usize,
    ) -> Result<Vec<(SubscriptionKey, Subscription)>, BoxError> {
        let connection = self.connections.connection().await?;
        let (last_own, last_peer) =
            after.map_or(("", ""), |pair| (pair.own.as_str(), pair.peer.as_str()));
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = match own.map(|own| own.as_str()) {
            // For one address, start at its first row.
            Some(own) => {
                let from = if last_own < own { "" } else { last_peer };
                if last_own > own {
                    return Ok(Vec::new());
                }
                self.connections
                    .with_timeout(
                        connection
                            .client
                            .query(&connection.list_of, &[&own, &from, &most]),
                    )
                    .await?
            }
            None => {
                self.connections
                    .with_timeout(
                        connection
                            .client
                            .query(&connection.list, &[&last_own, &last_peer, &most]),
                    )
                    .await?
            }
        };
        let read = |row: &Row| {
            Ok((
                SubscriptionKey {
                    own: jid(row, 0)?,
                    peer: jid(row, 1)?,
                },
                subscription(row, 2)?,
            ))
        };
        rows.iter().map(read).collect()
    }
}

/// A constraint of the table limits each half to valid numbers.
fn subscription(row: &Row, first: usize) -> Result<Subscription, BoxError> {
    let half = |column| {
        Ok::<_, BoxError>(
            HalfState::try_from(u8::try_from(row.try_get::<_, i16>(column)?)?).unwrap_or_default(),
        )
    };
    Ok(Subscription {
        to: half(first)?,
        from: half(first + 1)?,
    })
}

fn jid(row: &Row, column: usize) -> Result<BareJid, BoxError> {
    Ok(BareJid::new(row.try_get(column)?)?)
}

impl fmt::Debug for PostgresSubscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresSubscriptions")
            .field(&self.connections.name())
            .finish()
    }
}
