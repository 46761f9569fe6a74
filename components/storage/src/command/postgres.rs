//! Sessions of ad-hoc commands in a PostgreSQL database, shared by several processes on one JID.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use campanile::adhoc::{AcquireOutcome, BeginOutcome, SessionKey, SessionLimits, SessionStore};
use campanile::error::BoxError;
use tokio::sync::Mutex;

use super::admission::{Age, Room, Snapshot};
use super::statements::SessionStatements;
use crate::postgres::{ConnectionManager, Database};

/// Maximum number of attempts to start or acquire a session. Each failure means that another
/// process has done so.
const ATTEMPTS: usize = 100;

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
    /// Held while a session is started, so that only processes compete, not the tasks of each.
    starting: Arc<Mutex<()>>,
}

impl PostgresSessions {
    /// Creates a store in a database. The tables are created in the schema `campanile_command` on
    /// first use.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            connections: Arc::new(ConnectionManager::new(database)),
            starting: Arc::default(),
        }
    }

    async fn snapshot(
        &self,
        key: &SessionKey,
        limits: &SessionLimits,
    ) -> Result<Snapshot, BoxError> {
        let connection = self.connections.connection().await?;
        let component = key.recipient.domain().as_str();
        let bare = key.owner.to_bare();
        let domain = key.owner.domain().as_str();
        let most = i64::try_from(limits.all).unwrap_or(i64::MAX);
        let rows = self
            .connections
            .with_timeout(connection.client.query(
                &connection.list,
                &[&component, &bare.as_str(), &domain, &most],
            ))
            .await?;
        Snapshot::read(&rows)
    }

    /// Returns `false`, and changes nothing, if another session was started since `revision`.
    async fn insert(
        &self,
        id: &str,
        key: &SessionKey,
        state: &str,
        revision: i64,
        room: &Room,
        retention: Duration,
    ) -> Result<bool, BoxError> {
        let connection = self.connections.connection().await?;
        let bare = key.owner.to_bare();
        let inserted = self
            .connections
            .with_timeout(connection.client.execute(
                &connection.insert,
                &[
                    &id,
                    &key.owner.as_str(),
                    &bare.as_str(),
                    &key.owner.domain().as_str(),
                    &key.recipient.as_str(),
                    &key.recipient.domain().as_str(),
                    &key.node,
                    &state,
                    &revision,
                    &room.ended,
                    &room.dropped,
                    &retention.as_secs_f64(),
                ],
            ))
            .await?;
        Ok(inserted == 1)
    }

    /// Acquires a session that was last acquired as `turn`. Returns `None` if it has been acquired
    /// again or has ended meanwhile.
    async fn acquire_after(
        &self,
        id: &str,
        turn: i64,
        limits: &SessionLimits,
    ) -> Result<Option<AcquireOutcome>, BoxError> {
        let connection = self.connections.connection().await?;
        let lease = limits.lease.as_secs_f64();
        let row = self
            .connections
            .with_timeout(
                connection
                    .client
                    .query_opt(&connection.acquire, &[&id, &turn, &lease]),
            )
            .await?;
        row.map(|row| {
            Ok(AcquireOutcome::Acquired {
                turn: row.try_get(0)?,
                state: row.try_get(1)?,
            })
        })
        .transpose()
    }
}

#[async_trait]
impl SessionStore for PostgresSessions {
    /// The limits are checked on a snapshot, which must still be the current state when the session
    /// is stored; otherwise, they are checked again. No lock is held in between, so a process that
    /// stalls does not block others.
    async fn begin(
        &self,
        id: &str,
        key: &SessionKey,
        state: &str,
        limits: &SessionLimits,
    ) -> Result<BeginOutcome, BoxError> {
        // Ended sessions are kept for the same time again, to recognize late requests.
        let retention = limits.timeout.saturating_mul(2);
        let _starting = self.starting.lock().await;
        for _ in 0..ATTEMPTS {
            let found = self.snapshot(key, limits).await?;
            let revision = found.revision;
            let Some(room) = found.make_room(limits) else {
                return Ok(BeginOutcome::Full);
            };
            if self
                .insert(id, key, state, revision, &room, retention)
                .await?
            {
                return Ok(BeginOutcome::Started);
            }
        }
        Err("too many concurrent starts of command sessions".into())
    }

    async fn acquire(
        &self,
        id: &str,
        key: &SessionKey,
        limits: &SessionLimits,
    ) -> Result<AcquireOutcome, BoxError> {
        let owner = key.owner.as_str();
        let recipient = key.recipient.as_str();
        for _ in 0..ATTEMPTS {
            let connection = self.connections.connection().await?;
            let row = self
                .connections
                .with_timeout(
                    connection
                        .client
                        .query_opt(&connection.find, &[&id, &owner, &recipient, &key.node]),
                )
                .await?;
            let Some(row) = row else {
                return Ok(AcquireOutcome::Unknown);
            };
            let age = Age::read(&row, 1)?;
            if !age.is_open(limits) {
                return Ok(AcquireOutcome::Ended);
            }
            if age.is_busy {
                return Ok(AcquireOutcome::Busy);
            }
            if let Some(acquired) = self.acquire_after(id, row.try_get(0)?, limits).await? {
                return Ok(acquired);
            }
        }
        Ok(AcquireOutcome::Busy)
    }

    async fn release(&self, id: &str, turn: i64, state: Option<&str>) -> Result<bool, BoxError> {
        let connection = self.connections.connection().await?;
        let changed = self
            .connections
            .with_timeout(
                connection
                    .client
                    .execute(&connection.release, &[&id, &turn, &state]),
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
