//! The connection of a store, opened on demand and reopened after a loss.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use campanile::error::BoxError;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_postgres::Client;

use super::{ConnectError, Database, chain};
use crate::VersionError;

/// Time limit for connecting and for each query.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// The delay after a failed attempt to connect. Calls during this time fail immediately, rather
/// than queue up behind further attempts.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A connection with the prepared statements of a store.
pub trait PreparedConnection: Sized + Send + Sync + 'static {
    /// The stored data, as named in logs: `"subscriptions"`.
    const PURPOSE: &'static str;

    /// Creates the tables if needed, and prepares the statements.
    fn prepare(client: Client) -> impl Future<Output = Result<Self, DatabaseError>> + Send;

    /// Returns the connection.
    fn client(&self) -> &Client;
}

/// Manages the single connection of a store, which is opened on demand and reopened after a loss.
///
/// While the database is unreachable, every use fails. After a failed attempt, no other is made for
/// one second.
#[derive(Debug)]
pub struct ConnectionManager<T> {
    database: Database,
    state: Mutex<State<T>>,
}

/// The outcome of the last attempt to connect.
#[derive(Debug)]
enum State<T> {
    None,
    Open(Arc<T>),
    Failed(Instant, Arc<DatabaseError>),
}

impl<T: PreparedConnection> ConnectionManager<T> {
    /// Creates a manager without connecting.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            database,
            state: Mutex::new(State::None),
        }
    }

    /// Returns host and database, for logs.
    #[must_use]
    pub fn name(&self) -> &str {
        self.database.name()
    }

    /// Tries to connect on startup. A temporary failure is logged and not an error, as the
    /// connection is retried on demand.
    ///
    /// # Errors
    /// If the failure is permanent: access denied, invalid certificates, or tables of another
    /// version.
    pub async fn try_open(&self) -> Result<(), BoxError> {
        match self.reconnect().await {
            Err(error) if error.is_permanent() => Err(self.describe(&error)),
            Err(error) => {
                tracing::warn!(
                    "{} unavailable; reconnecting on demand: {}",
                    T::PURPOSE,
                    self.describe(&error)
                );
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Checks that the database can be reached, without creating or migrating tables.
    ///
    /// # Errors
    /// If the database is unreachable or denies access.
    pub async fn check(&self) -> Result<(), BoxError> {
        let connecting = self.database.connect();
        match tokio::time::timeout(QUERY_TIMEOUT, connecting).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.describe(&error.into())),
            Err(_) => Err(format!(
                "{}: no connection within {QUERY_TIMEOUT:?}",
                self.database.name()
            )
            .into()),
        }
    }

    /// Returns the connection, opening it if needed.
    ///
    /// # Errors
    /// If the database is unreachable.
    pub async fn connection(&self) -> Result<Arc<T>, BoxError> {
        self.reconnect()
            .await
            .map_err(|error| self.describe(&error))
    }

    async fn reconnect(&self) -> Result<Arc<T>, Arc<DatabaseError>> {
        let mut state = self.state.lock().await;
        match &*state {
            State::Open(connection) if !connection.client().is_closed() => {
                return Ok(Arc::clone(connection));
            }
            State::Failed(when, error) if when.elapsed() < RETRY_DELAY => {
                return Err(Arc::clone(error));
            }
            _ => {}
        }
        let opened = timeout(QUERY_TIMEOUT, self.open())
            .await
            .unwrap_or(Err(DatabaseError::Timeout));
        *state = match opened {
            Ok(connection) => State::Open(Arc::new(connection)),
            Err(error) => State::Failed(Instant::now(), Arc::new(error)),
        };
        match &*state {
            State::Open(connection) => Ok(Arc::clone(connection)),
            State::Failed(_, error) => Err(Arc::clone(error)),
            State::None => Err(Arc::new(DatabaseError::Timeout)),
        }
    }

    async fn open(&self) -> Result<T, DatabaseError> {
        T::prepare(self.database.connect().await?).await
    }

    /// Runs a query with a timeout of 10 s, after which the connection is dropped.
    ///
    /// # Errors
    /// If the query fails or times out.
    pub async fn with_timeout<A>(
        &self,
        answer: impl Future<Output = Result<A, tokio_postgres::Error>>,
    ) -> Result<A, BoxError> {
        match timeout(QUERY_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(|error| self.describe(&error.into())),
            Err(_) => {
                *self.state.lock().await =
                    State::Failed(Instant::now(), Arc::new(DatabaseError::Timeout));
                Err(self.describe(&DatabaseError::Timeout))
            }
        }
    }

    fn describe(&self, error: &DatabaseError) -> BoxError {
        format!("{}: {error}", self.name()).into()
    }
}

/// The error of a store's connection or query.
#[derive(Debug)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The connection failed.
    Connect(ConnectError),
    /// The database returned an error.
    Database(tokio_postgres::Error),
    /// The tables have another version.
    Version(VersionError),
    /// The database did not respond in time.
    Timeout,
}

impl DatabaseError {
    /// Returns `true` if a retry is pointless until the address, the database or the program is
    /// changed.
    fn is_permanent(&self) -> bool {
        let (Self::Connect(ConnectError::Database(error)) | Self::Database(error)) = self else {
            return matches!(self, Self::Version(_) | Self::Connect(ConnectError::Tls(_)));
        };
        // Shutting down, starting up, crashed and too many connections are temporary. Without a
        // code, the server was unreachable.
        error.code().is_some_and(|code| {
            !["57", "53", "55"]
                .iter()
                .any(|class| code.code().starts_with(class))
        })
    }
}

impl From<ConnectError> for DatabaseError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<VersionError> for DatabaseError {
    fn from(error: VersionError) -> Self {
        Self::Version(error)
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Database(error) => f.write_str(&chain(error)),
            Self::Version(error) => error.fmt(f),
            Self::Timeout => f.write_str("database did not respond in time"),
        }
    }
}

impl std::error::Error for DatabaseError {}
