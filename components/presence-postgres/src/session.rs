//! The one connection: made when it is needed, and anew when it is lost.

use std::fmt;
use std::sync::Arc;

use campanile::error::BoxError;
use campanile_postgres::{ConnectError, Database, chain};
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant, timeout};
use tokio_postgres::{Client, Statement};

use crate::schema;

/// How long the database may take for anything.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long nobody tries again after a failure, so that those who wait do not wait for each other's attempts.
const REST: Duration = Duration::from_secs(1);

/// A connection and what it is asked.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) get: Statement,
    pub(crate) put: Statement,
    pub(crate) list: Statement,
    pub(crate) list_of: Statement,
}

pub(crate) struct Sessions {
    database: Database,
    last: Mutex<Last>,
}

/// What came of the last attempt.
enum Last {
    None,
    Open(Arc<Session>),
    Failed(Instant, Arc<SessionError>),
}

impl Sessions {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, last: Mutex::new(Last::None) }
    }

    pub(crate) fn name(&self) -> &str {
        self.database.name()
    }

    /// The first attempt. Only what time does not heal is an error.
    pub(crate) async fn try_open(&self) -> Result<(), BoxError> {
        match self.open_session().await {
            Err(error) if error.is_final() => Err(self.said(&error)),
            Err(error) => {
                tracing::warn!("no subscriptions yet: {}", self.said(&error));
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// The connection.
    pub(crate) async fn session(&self) -> Result<Arc<Session>, BoxError> {
        self.open_session().await.map_err(|error| self.said(&error))
    }

    async fn open_session(&self) -> Result<Arc<Session>, Arc<SessionError>> {
        let mut last = self.last.lock().await;
        match &*last {
            Last::Open(session) if !session.client.is_closed() => return Ok(Arc::clone(session)),
            Last::Failed(when, error) if when.elapsed() < REST => return Err(Arc::clone(error)),
            _ => {}
        }
        let opened = timeout(PATIENCE, self.open()).await.unwrap_or(Err(SessionError::Silent));
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

    async fn open(&self) -> Result<Session, SessionError> {
        let mut client = self.database.connect().await?;
        schema::prepare(&mut client).await?;
        let get = client.prepare("SELECT to_peer, from_peer FROM subscription WHERE own = $1 AND peer = $2").await?;
        let put = client.prepare("SELECT put($1, $2, $3, $4, $5)").await?;
        let columns = "SELECT own, peer, to_peer, from_peer FROM subscription";
        let all = format!("{columns} WHERE (own, peer) > ($1, $2) ORDER BY own, peer LIMIT $3");
        let list = client.prepare(&all).await?;
        let of = format!("{columns} WHERE own = $1 AND peer > $2 ORDER BY peer LIMIT $3");
        let list_of = client.prepare(&of).await?;
        Ok(Session { client, get, put, list, list_of })
    }

    /// Waits for an answer, and no longer than one may take: then the connection is given up.
    pub(crate) async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, BoxError> {
        match timeout(PATIENCE, answer).await {
            Ok(answer) => answer.map_err(|error| self.said(&error.into())),
            Err(_) => {
                *self.last.lock().await = Last::Failed(Instant::now(), Arc::new(SessionError::Silent));
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
pub(crate) enum SessionError {
    Connect(ConnectError),
    Database(tokio_postgres::Error),
    /// The tables are those of another version.
    Version(i64),
    Silent,
}

impl SessionError {
    /// Whether trying again is of no use: what has to be changed is the address, the database or the program.
    fn is_final(&self) -> bool {
        let (Self::Connect(ConnectError::Database(error)) | Self::Database(error)) = self else {
            return matches!(self, Self::Version(_) | Self::Connect(ConnectError::Tls(_)));
        };
        // Shutting down, starting up, crashed, too many connections: that passes. Without a code, nobody was there.
        error.code().is_some_and(|code| !["57", "53", "55"].iter().any(|class| code.code().starts_with(class)))
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
            Self::Version(version) => write!(f, "its tables are of version {version}: use the program that made them"),
            Self::Silent => f.write_str("the database does not answer"),
        }
    }
}
