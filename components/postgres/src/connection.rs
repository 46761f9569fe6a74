//! The one connection of a store: made when it is needed, and anew when it is lost.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use campanile::error::BoxError;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_postgres::Client;

use crate::{ConnectError, Database, chain};

/// How long the database may take for anything.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long nobody tries again after a failure, so that those who wait do not wait for each other's
/// attempts.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A connection, and the statements that a store has prepared on it.
pub trait PreparedConnection: Sized + Send + Sync + 'static {
    /// What is missing without a connection, for people: "no subscriptions".
    const PURPOSE: &'static str;

    /// Makes the tables where they are not there, and prepares the statements.
    fn prepare(client: Client) -> impl Future<Output = Result<Self, DatabaseError>> + Send;

    /// The connection.
    fn client(&self) -> &Client;
}

/// The one connection of a store.
///
/// As long as there is none each use of it is an error; within a second of a failure nobody tries
/// again.
#[derive(Debug)]
pub struct ConnectionManager<T> {
    database: Database,
    state: Mutex<State<T>>,
}

/// What came of the last attempt.
#[derive(Debug)]
enum State<T> {
    None,
    Open(Arc<T>),
    Failed(Instant, Arc<DatabaseError>),
}

impl<T: PreparedConnection> ConnectionManager<T> {
    /// None yet.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            database,
            state: Mutex::new(State::None),
        }
    }

    /// Host and database, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        self.database.name()
    }

    /// The first attempt. A database that is not there now may be there later.
    ///
    /// # Errors
    /// Only what time does not heal.
    pub async fn try_open(&self) -> Result<(), BoxError> {
        match self.reconnect().await {
            Err(error) if error.is_permanent() => Err(self.describe(&error)),
            Err(error) => {
                tracing::warn!("{} yet: {}", T::PURPOSE, self.describe(&error));
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// The connection.
    ///
    /// # Errors
    /// When there is none.
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

    /// Waits for an answer, and no longer than one may take: then the connection is given up.
    ///
    /// # Errors
    /// When it is an error, or does not come.
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

/// Why the database is of no use.
#[derive(Debug)]
#[non_exhaustive]
pub enum DatabaseError {
    /// There is no connection.
    Connect(ConnectError),
    /// The database refuses what it is asked.
    Database(tokio_postgres::Error),
    /// The tables are those of another version.
    Version(i64),
    /// It does not answer.
    Timeout,
}

impl DatabaseError {
    /// Whether trying again is of no use: what has to be changed is the address, the database or
    /// the program.
    fn is_permanent(&self) -> bool {
        let (Self::Connect(ConnectError::Database(error)) | Self::Database(error)) = self else {
            return matches!(self, Self::Version(_) | Self::Connect(ConnectError::Tls(_)));
        };
        // Shutting down, starting up, crashed, too many connections: that passes. Without a code,
        // nobody was there.
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
            Self::Version(version) => write!(
                f,
                "its tables are of version {version}: use the program that made them"
            ),
            Self::Timeout => f.write_str("the database does not answer"),
        }
    }
}

impl std::error::Error for DatabaseError {}
