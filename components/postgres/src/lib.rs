//! How components reach a PostgreSQL database: addresses, and connections that are encrypted when
//! the address says so.
//!
//! What is kept there is the business of whoever connects: the archive of `campanile-logger`, the
//! subscriptions of `campanile-presence-postgres`, the sessions of `campanile-command-postgres`. A
//! store with one connection has it from [`ConnectionManager`], and its tables by a [`Schema`].

mod connection;
mod schema;
mod tls;

use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

pub use self::connection::{ConnectionManager, DatabaseError, PreparedConnection};
pub use self::schema::Schema;
use self::tls::{Encryption, Tls};

/// How long one host of an address may take to let us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a database is, who we are there, and whether what goes there is encrypted. A password in
/// it is never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    config: Config,
    encryption: Encryption,
    name: String,
}

impl Database {
    /// The database of this address, as in `postgres://user:password@host/database`.
    ///
    /// With `?sslmode=verify-full` the connection is encrypted, and the certificate must be good
    /// for the host: `&sslrootcert=/path/ca.pem` says whom to trust instead of the system's
    /// authorities. `require` and `verify-ca` mean the same here. Without it nothing is encrypted.
    ///
    /// # Errors
    /// When it is no such address, with the reason, which cites no part of it: it may be the
    /// password.
    pub fn new(address: &str) -> Result<Self, AddressError> {
        let (address, encryption) = tls::take_from(address).map_err(AddressError)?;
        // The parser's own words name no part of the address; their causes do.
        let refused = |error: tokio_postgres::Error| AddressError(error.to_string());
        let mut config: Config = address.parse().map_err(refused)?;
        config.connect_timeout(CONNECT_TIMEOUT);
        config.application_name("campanile");
        let host = match config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let name = format!(
            "postgres://{host}/{}",
            config.get_dbname().unwrap_or_default()
        );
        Ok(Self {
            config,
            encryption,
            name,
        })
    }

    /// Host and database, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether what is kept there crosses a network unencrypted.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let local = |host: &Host| match host {
            Host::Tcp(host) => {
                host == "localhost"
                    || host
                        .parse()
                        .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
            }
            Host::Unix(_) => true,
        };
        self.encryption == Encryption::Off && !self.config.get_hosts().iter().all(local)
    }

    /// A connection, which ends when the client is dropped.
    ///
    /// # Errors
    /// When there is none.
    pub async fn connect(&self) -> Result<Client, ConnectError> {
        match self.tls()? {
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(served(connection));
                Ok(client)
            }
            Some(tls) => {
                let (client, connection) = self.config.connect(tls).await?;
                tokio::spawn(served(connection));
                Ok(client)
            }
        }
    }

    /// A connection for a thread of its own: it blocks. Not to be called by a task.
    ///
    /// # Errors
    /// When there is none.
    pub fn connect_blocking(&self) -> Result<postgres::Client, ConnectError> {
        let config = postgres::Config::from(self.config.clone());
        Ok(match self.tls()? {
            None => config.connect(NoTls)?,
            Some(tls) => config.connect(tls)?,
        })
    }

    fn tls(&self) -> Result<Option<Tls>, ConnectError> {
        match &self.encryption {
            Encryption::Off => Ok(None),
            Encryption::On(roots) => Ok(Some(
                Tls::new(roots.as_ref().map(PathBuf::as_path)).map_err(ConnectError::Tls)?,
            )),
        }
    }
}

/// Carries a connection. Whoever waits for an answer is told of its end, so here it is for the log
/// only.
async fn served(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(
            "the connection to the database has ended: {}",
            chain(&error)
        );
    }
}

/// What went wrong and why: an error of the driver says by itself only what it was about to do.
#[must_use]
pub fn chain(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return error.message().to_owned();
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Why a text is no address of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError(String);

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no address of a database: {}", self.0)
    }
}

impl std::error::Error for AddressError {}

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The certificates to trust cannot be read.
    Tls(io::Error),
    /// The database does not let us in, or is not there.
    Database(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for ConnectError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => error.fmt(f),
            Self::Database(error) => f.write_str(&chain(error)),
        }
    }
}

impl std::error::Error for ConnectError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let database = Database::new("postgres://ann:s3cret@db.example.org/archive").unwrap();
        assert_eq!(database.name(), "postgres://db.example.org/archive");
        assert!(!format!("{database:?}").contains("s3cret"));
        let error = Database::new("postgres://ann:s3cret@db.example.org:port/archive")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("no address of a database: ") && !error.contains("s3cret"),
            "{error}"
        );
    }

    #[test]
    fn what_leaves_the_machine_unencrypted_is_exposed() {
        let exposed = |address| Database::new(address).unwrap().is_exposed();
        assert!(exposed("postgres://a@db.example.org/b"));
        for covered in [
            "postgres://a@127.0.0.1/b",
            "postgres://a@%2Frun%2Fpostgresql/b",
            "postgres://a@localhost/b",
        ] {
            assert!(!exposed(covered), "{covered}");
        }
        assert!(!exposed(
            "postgres://a@db.example.org/b?sslmode=verify-full"
        ));
    }
}
