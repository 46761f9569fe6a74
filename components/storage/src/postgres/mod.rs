//! PostgreSQL connections: addresses, TLS, and building blocks for stores.
//!
//! A store with one connection gets it from a [`ConnectionManager`], and creates its tables with a
//! [`Schema`]. The stores in [`presence`](crate::presence) and [`command`](crate::command) are
//! built this way; the archive of `campanile-logger` uses [`Database::connect_blocking`].

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

/// The connection timeout for each host of an address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The address of a database: host, credentials and TLS settings.
///
/// The password is never part of its `Debug` output, its name, or an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    config: Config,
    encryption: Encryption,
    name: String,
}

impl Database {
    /// Parses an address such as `postgres://user:password@host/database`.
    ///
    /// With `?sslmode=verify-full` the connection is encrypted, and the certificate must be valid
    /// for the host. `&sslrootcert=/path/ca.pem` names the authorities to trust instead of the
    /// system's. `require` and `verify-ca` mean the same as `verify-full`. Without `sslmode`, the
    /// connection is not encrypted.
    ///
    /// # Errors
    /// If the address is invalid. The reason never quotes the address, which may contain a
    /// password.
    pub fn new(address: &str) -> Result<Self, AddressError> {
        let (address, encryption) = tls::take_from(address).map_err(AddressError)?;
        // The message of the parser does not quote the address; its sources do.
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

    /// Returns host and database, for logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns `true` if the data crosses a network unencrypted.
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

    /// Connects to the database. The connection is closed when the client is dropped.
    ///
    /// # Errors
    /// If the connection fails.
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

    /// Connects with a blocking client, for use on a thread of its own. Must not be called from an
    /// async task.
    ///
    /// # Errors
    /// If the connection fails.
    pub fn connect_blocking(&self) -> Result<::postgres::Client, ConnectError> {
        let config = ::postgres::Config::from(self.config.clone());
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

/// Drives a connection. Pending queries get the error themselves, so it is only logged here.
async fn served(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!("database connection closed: {}", chain(&error));
    }
}

/// Formats an error of the driver with its sources, as its own message only names the failed
/// operation.
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

/// The error for an invalid database address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError(String);

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid database address: {}", self.0)
    }
}

impl std::error::Error for AddressError {}

/// The error for a failed connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The trusted certificates cannot be read.
    Tls(io::Error),
    /// The database is unreachable or denies access.
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
    fn password_is_not_shown() {
        let database = Database::new("postgres://ann:s3cret@db.example.org/archive").unwrap();
        assert_eq!(database.name(), "postgres://db.example.org/archive");
        assert!(!format!("{database:?}").contains("s3cret"));
        let error = Database::new("postgres://ann:s3cret@db.example.org:port/archive")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("invalid database address: ") && !error.contains("s3cret"),
            "{error}"
        );
    }

    #[test]
    fn unencrypted_remote_database_is_exposed() {
        let exposed = |address| Database::new(address).unwrap().is_exposed();
        assert!(exposed("postgres://a@db.example.org/b"));
        for safe in [
            "postgres://a@127.0.0.1/b",
            "postgres://a@%2Frun%2Fpostgresql/b",
            "postgres://a@localhost/b",
        ] {
            assert!(!exposed(safe), "{safe}");
        }
        assert!(!exposed(
            "postgres://a@db.example.org/b?sslmode=verify-full"
        ));
    }
}
