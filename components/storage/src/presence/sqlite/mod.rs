//! Presence subscriptions in a SQLite file.

mod schema;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use campanile::error::BoxError;
use campanile::jid::BareJid;
use campanile::presence::{
    CompareAndSwap, HalfState, PutOutcome, Subscription, SubscriptionKey, SubscriptionLimits,
    SubscriptionStore,
};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use crate::Workers;
use crate::sqlite::{DatabaseFile, FileReplaced, SchemaError, is_on_disk};

/// The maximum wait while another process writes to the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The files that the stores of this process use. Bounded by the stores of a configuration.
static FILES: Mutex<Vec<Weak<File>>> = Mutex::new(Vec::new());

/// Stores presence subscriptions in a SQLite file.
///
/// Changes are on disk before they are reported. Several components of a process may share a file,
/// and then share one connection to it.
///
/// ```no_run
/// use campanile::component::Component;
/// use campanile::presence::Roster;
/// use campanile_storage::presence::SqliteSubscriptions;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let roster = Roster::new(SqliteSubscriptions::open("presence.db")?);
/// let component = Component::builder("bot.example.org")
///     .server("127.0.0.1:5347")
///     .secret("secret")
///     .module(roster);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteSubscriptions {
    file: Arc<File>,
}

struct File {
    path: PathBuf,
    /// `None` until first used.
    connection: Mutex<Option<(Connection, DatabaseFile)>>,
    /// Callers wait for the thread, rather than on a thread each.
    worker: Workers,
}

impl SqliteSubscriptions {
    /// Creates a store for a file that is opened or created when the component starts.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            file: File::shared(path.into()),
        }
    }

    /// Opens or creates a file.
    ///
    /// # Errors
    /// If the file cannot be opened, or belongs to another program or a later version of this one.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let store = Self::new(path);
        store.file.with(|_| Ok::<_, OpenError>(()))?;
        Ok(store)
    }

    /// Runs work on the file on its thread.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, BoxError> {
        let file = Arc::clone(&self.file);
        let turn = file.worker.turn().await;
        turn.run(move || file.with(|connection| Ok(work(connection)?)))
            .await?
    }
}

impl File {
    /// Returns the file at this path that other stores of this process use, or a new one.
    ///
    /// A connection for each component would have a cache and a thread of its own, all of them
    /// waiting for the lock of the same file.
    fn shared(path: PathBuf) -> Arc<Self> {
        let path = std::path::absolute(&path).unwrap_or(path);
        if !is_on_disk(&path) {
            return Arc::new(Self::new(path));
        }
        let mut files = lock(&FILES);
        files.retain(|file| file.strong_count() > 0);
        let known = files
            .iter()
            .filter_map(Weak::upgrade)
            .find(|file| file.path == path);
        known.unwrap_or_else(|| {
            let file = Arc::new(Self::new(path));
            files.push(Arc::downgrade(&file));
            file
        })
    }

    fn new(path: PathBuf) -> Self {
        Self {
            path,
            connection: Mutex::default(),
            worker: Workers::new("presence", 1),
        }
    }

    fn with<T, E: From<OpenError>>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let replaced = |error: FileReplaced| self.error(error.into());
        // Dropping an uncommitted transaction rolls it back, even during a panic.
        let mut connection = lock(&self.connection);
        let (connection, file) = match &mut *connection {
            Some(open) => open,
            none => none.insert(self.open().map_err(|cause| self.error(cause))?),
        };
        file.check().map_err(replaced)?;
        let done = work(connection)?;
        // A change in a file that is gone would be lost.
        file.check().map_err(replaced)?;
        Ok(done)
    }

    fn open(&self) -> Result<(Connection, DatabaseFile), SchemaError> {
        let (mut connection, file) = DatabaseFile::open(&self.path, OpenFlags::default())?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        schema::prepare(&mut connection)?;
        Ok((connection, file))
    }

    fn error(&self, cause: SchemaError) -> OpenError {
        OpenError {
            path: self.path.display().to_string(),
            cause,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is a single assignment, so a panic cannot leave it inconsistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl SubscriptionStore for SqliteSubscriptions {
    async fn check(&self) -> Result<(), BoxError> {
        let path = self.file.path.clone();
        let examined = tokio::task::spawn_blocking(move || schema::examine(&path)).await?;
        examined.map_err(|error| format!("{}: {error}", self.file.path.display()).into())
    }

    async fn open(&self) -> Result<(), BoxError> {
        self.with(|_| Ok(())).await
    }

    async fn get(&self, pair: &SubscriptionKey) -> Result<Subscription, BoxError> {
        let pair = pair.clone();
        Ok(self
            .with(move |connection| known(connection, &pair))
            .await?
            .unwrap_or_default())
    }

    async fn put(
        &self,
        pair: &SubscriptionKey,
        change: CompareAndSwap,
        bounds: &SubscriptionLimits,
    ) -> Result<PutOutcome, BoxError> {
        let pair = pair.clone();
        let bounds = *bounds;
        self.with(move |connection| write(connection, &pair, change, &bounds))
            .await
    }

    async fn list(
        &self,
        own: Option<&BareJid>,
        after: Option<&SubscriptionKey>,
        most: usize,
    ) -> Result<Vec<(SubscriptionKey, Subscription)>, BoxError> {
        let own = own.map(ToString::to_string);
        let after = after
            .map(|pair| (pair.own.to_string(), pair.peer.to_string()))
            .unwrap_or_default();
        self.with(move |connection| read(connection, own.as_deref(), &after, most))
            .await
    }
}

/// Returns the stored subscription of a pair.
fn known(
    connection: &Connection,
    pair: &SubscriptionKey,
) -> rusqlite::Result<Option<Subscription>> {
    let sql = "SELECT to_peer, from_peer FROM subscription WHERE own = ?1 AND peer = ?2";
    let row = params![pair.own.as_str(), pair.peer.as_str()];
    connection
        .prepare_cached(sql)?
        .query_row(row, |row| subscription(row, 0))
        .optional()
}

/// Checks, counts and writes in one transaction, so that concurrent writers cannot exceed the
/// limits.
fn write(
    connection: &mut Connection,
    pair: &SubscriptionKey,
    change: CompareAndSwap,
    bounds: &SubscriptionLimits,
) -> rusqlite::Result<PutOutcome> {
    let own = pair.own.as_str();
    let peer = pair.peer.as_str();
    let domain = pair.peer.domain().as_str();
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let known = known(&transaction, pair)?;
    if known.unwrap_or_default() != change.before {
        return Ok(PutOutcome::Conflict);
    }
    let halves = (u8::from(change.after.to), u8::from(change.after.from));
    if change.after.is_none() {
        transaction.execute(
            "DELETE FROM subscription WHERE own = ?1 AND peer = ?2",
            params![own, peer],
        )?;
    } else if known.is_some() {
        let sql =
            "UPDATE subscription SET to_peer = ?3, from_peer = ?4 WHERE own = ?1 AND peer = ?2";
        transaction.execute(sql, params![own, peer, halves.0, halves.1])?;
    } else {
        let (of_peer, of_domain, all) = schema::counts(&transaction, peer, domain)?;
        if !bounds.admit(of_peer, of_domain, all) {
            return Ok(PutOutcome::Full);
        }
        let sql = "INSERT INTO subscription (own, peer, domain, to_peer, from_peer) VALUES (?1, \
            ?2, ?3, ?4, ?5)";
        transaction.execute(sql, params![own, peer, domain, halves.0, halves.1])?;
    }
    transaction.commit()?;
    Ok(PutOutcome::Stored)
}

fn read(
    connection: &Connection,
    own: Option<&str>,
    after: &(String, String),
    most: usize,
) -> rusqlite::Result<Vec<(SubscriptionKey, Subscription)>> {
    let sql = "SELECT own, peer, to_peer, from_peer FROM subscription
        WHERE (own, peer) > (?1, ?2) AND (?3 IS NULL OR own = ?3) ORDER BY own, peer LIMIT ?4";
    // For one address, start at its first row.
    let (from_own, from_peer) = match own {
        Some(own) if after.0.as_str() < own => (own, ""),
        _ => (after.0.as_str(), after.1.as_str()),
    };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![from_own, from_peer, own, most], |row| {
        Ok((
            SubscriptionKey {
                own: jid(row, 0)?,
                peer: jid(row, 1)?,
            },
            subscription(row, 2)?,
        ))
    })?;
    rows.collect()
}

/// A constraint of the table limits each half to valid numbers.
fn subscription(row: &Row<'_>, first: usize) -> rusqlite::Result<Subscription> {
    let half = |column| {
        Ok::<_, rusqlite::Error>(HalfState::try_from(row.get::<_, u8>(column)?).unwrap_or_default())
    };
    Ok(Subscription {
        to: half(first)?,
        from: half(first + 1)?,
    })
}

fn jid(row: &Row<'_>, column: usize) -> rusqlite::Result<BareJid> {
    let text: String = row.get(column)?;
    BareJid::new(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}

impl fmt::Debug for SqliteSubscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteSubscriptions")
            .field(&self.file.path)
            .finish()
    }
}

/// The error for a file that cannot be used.
#[derive(Debug)]
pub struct OpenError {
    path: String,
    cause: SchemaError,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            SchemaError::Sqlite(_) => write!(f, "{} cannot be opened", self.path),
            cause => cause.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            SchemaError::Sqlite(error) => Some(error),
            _ => None,
        }
    }
}
