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
const PATIENCE: Duration = Duration::from_secs(10);
/// How long nobody tries again after a failure, so that those who wait do not wait for each other's
/// attempts.
const REST: Duration = Duration::from_secs(1);

/// A connection, and the statements that a store has prepared on it.
pub trait Session: Sized + Send + Sync + 'static {
    /// What is missing without a connection, for people: "no subscriptions".
    const MISSING: &'static str;

    /// Makes the tables where they are not there, and prepares the statements.
    fn prepare(client: Client) -> impl Future<Output = Result<Self, SessionError>> + Send;

    /// The connection.
    fn client(&self) -> &Client;
}

/// The one connection of a store.
///
/// As long as there is none each use of it is an error; within a second of a failure nobody tries
/// again.
#[derive(Debug)]
pub struct Sessions<T> {
    database: Database,
    last: Mutex<Last<T>>,
}

/// What came of the last attempt.
#[derive(Debug)]
enum Last<T> {
    None,
    Open(Arc<T>),
    Failed(Instant, Arc<SessionError>),
}

impl<T: Session> Sessions<T> {
    /// None yet.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            database,
            last: Mutex::new(Last::None),
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
        match self.open_session().await {
            Err(error) if error.is_final() => Err(self.said(&error)),
            Err(error) => {
                tracing::warn!("{} yet: {}", T::MISSING, self.said(&error));
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// The connection.
    ///
    /// # Errors
    /// When there is none.
    pub async fn session(&self) -> Result<Arc<T>, BoxError> {
        self.open_session().await.map_err(|error| self.said(&error))
    }

    async fn open_session(&self) -> Result<Arc<T>, Arc<SessionError>> {
        let mut last = self.last.lock().await;
        match &*last {
            Last::Open(session) if !session.client().is_closed() => return Ok(Arc::clone(session)),
            Last::Failed(when, error) if when.elapsed() < REST => return Err(Arc::clone(error)),
            _ => {}
        }
        let opened = timeout(PATIENCE, self.open())
            .await
            .unwrap_or(Err(SessionError::Silent));
        *last = match opened {
            Ok(session) => Last::Open(Arc::new(session)),
            Err(error) => Last::Failed(Instant::now(), Arc::new(error)),
        };
        match &*last {
            Last::Open(session) => Ok(Arc::clone(session)),
            Last::Failed(_, error) => Err(Arc::clone(error)),
            Last::None => Err(Arc::new(SessionError::Silent)),
        }
    }

    async fn open(&self) -> Result<T, SessionError> {
        T::prepare(self.database.connect().await?).await
    }

    /// Waits for an answer, and no longer than one may take: then the connection is given up.
    ///
    /// # Errors
    /// When it is an error, or does not come.
    pub async fn within<A>(
        &self,
        answer: impl Future<Output = Result<A, tokio_postgres::Error>>,
    ) -> Result<A, BoxError> {
        match timeout(PATIENCE, answer).await {
            Ok(answer) => answer.map_err(|error| self.said(&error.into())),
            Err(_) => {
                *self.last.lock().await =
                    Last::Failed(Instant::now(), Arc::new(SessionError::Silent));
                Err(self.said(&SessionError::Silent))
            }
        }
    }

    fn said(&self, error: &SessionError) -> BoxError {
        format!("{}: {error}", self.name()).into()
    }
}

/// Why the database is of no use.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// There is no connection.
    Connect(ConnectError),
    /// The database refuses what it is asked.
    Database(tokio_postgres::Error),
    /// The tables are those of another version.
    Version(i64),
    /// It does not answer.
    Silent,
}

impl SessionError {
    /// Whether trying again is of no use: what has to be changed is the address, the database or
    /// the program.
    fn is_final(&self) -> bool {
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

impl From<ConnectError> for SessionError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<tokio_postgres::Error> for SessionError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Database(error) => f.write_str(&chain(error)),
            Self::Version(version) => write!(
                f,
                "its tables are of version {version}: use the program that made them"
            ),
            Self::Silent => f.write_str("the database does not answer"),
        }
    }
}

impl std::error::Error for SessionError {}
