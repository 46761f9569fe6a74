//! The store in a PostgreSQL database, which several instances may share.
//!
//! Whoever writes holds a lock for the length of its transaction: places are given in the order of commits, so that
//! nobody who pages misses an entry. Batches are large, so the lock is no bottleneck.

mod erase;
mod read;
mod schema;
mod tls;
mod write;

use std::collections::HashMap;

use postgres::config::Host;
use postgres::{Client, Config, NoTls};

use self::tls::{Encryption, Tls};

use super::{Backend, Open, Page, Place, Prune, Query, Stats, StoreError};
use crate::draft::Draft;
use crate::keys::Keys;

/// A store in a PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    config: Config,
    encryption: Encryption,
    name: String,
}

impl PostgresStore {
    /// The store in this database, as in `postgres://user:password@host/database`. The tables are made in a schema
    /// `campanile_logger` when they are not there.
    ///
    /// With `?sslmode=verify-full` the connection is encrypted, and the certificate must be good for the host:
    /// `&sslrootcert=/path/ca.pem` says whom to trust instead of the system's authorities. `require` and `verify-ca` mean the
    /// same here. Without it nothing is encrypted.
    ///
    /// # Errors
    /// When it is no such address, with the reason.
    pub fn new(address: &str) -> Result<Self, StoreError> {
        let (address, encryption) = tls::take_from(address).map_err(StoreError::Unavailable)?;
        let mut config: Config = address.parse().map_err(|error: postgres::Error| {
            // The parser's own words name no part of the address.
            StoreError::Unavailable(format!("no address of a database: {error}"))
        })?;
        config.connect_timeout(std::time::Duration::from_secs(5));
        config.application_name("campanile");
        let host = config.get_hosts().first().map_or_else(
            || "localhost".to_owned(),
            |host| match host {
                Host::Tcp(host) => host.clone(),
                Host::Unix(path) => path.display().to_string(),
            },
        );
        let name = format!("postgres://{host}/{}", config.get_dbname().unwrap_or_default());
        Ok(Self { config, encryption, name })
    }

    /// Whether what is archived crosses a network unencrypted.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let local = |host: &Host| match host {
            Host::Tcp(host) => host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
            Host::Unix(_) => true,
        };
        self.encryption == Encryption::Off && !self.config.get_hosts().iter().all(local)
    }

    fn connect(&self) -> Result<Client, StoreError> {
        match &self.encryption {
            Encryption::Off => Ok(self.config.connect(NoTls)?),
            Encryption::On(roots) => {
                let tls = Tls::new(roots.as_deref()).map_err(|error| StoreError::Unavailable(error.to_string()))?;
                Ok(self.config.connect(tls)?)
            }
        }
    }
}

impl Open for PostgresStore {
    fn open(&self, write: bool) -> Result<Box<dyn Backend>, StoreError> {
        let mut client = self.connect()?;
        let keys = schema::prepare(&mut client, write)?;
        Ok(Box::new(Postgres { client, keys, known: HashMap::new(), epoch: 0 }))
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// One connection.
struct Postgres {
    client: Client,
    keys: Keys,
    /// Numbers of JIDs.
    known: HashMap<Box<str>, i64>,
    /// Grows when somebody erases: then numbers may be stale.
    epoch: i64,
}

impl Backend for Postgres {
    fn keys(&self) -> Keys {
        self.keys.clone()
    }

    fn commit(&mut self, batch: &[Draft]) -> Result<Vec<Result<Place, StoreError>>, StoreError> {
        write::commit(self, batch)
    }

    fn page(&mut self, query: &Query) -> Result<Page, StoreError> {
        read::page(self, query)
    }

    fn count(&mut self, query: &Query, most: u64) -> Result<Option<u64>, StoreError> {
        read::count(self, query, most)
    }

    fn place(&mut self, query: &Query, id: &str) -> Result<Place, StoreError> {
        read::place(self, query, id)
    }

    fn erase(&mut self, jid: &str, most: usize) -> Result<usize, StoreError> {
        erase::erase(self, jid, most)
    }

    fn scrub(&mut self) -> Result<(), StoreError> {
        erase::scrub(self)
    }

    fn unfinished(&mut self) -> Result<Vec<String>, StoreError> {
        erase::unfinished(self)
    }

    fn prune(&mut self, rule: &Prune, most: usize) -> Result<usize, StoreError> {
        erase::prune(self, rule, most)
    }

    fn set_silent(&mut self, jid: &str, silent: bool) -> Result<(), StoreError> {
        let statement = if silent {
            "INSERT INTO silent (hash) VALUES ($1) ON CONFLICT DO NOTHING"
        } else {
            "DELETE FROM silent WHERE hash = $1"
        };
        self.client.execute(statement, &[&self.keys.hash(jid)])?;
        Ok(())
    }

    fn silent(&mut self) -> Result<Vec<String>, StoreError> {
        Ok(self.client.query("SELECT hash FROM silent", &[])?.iter().map(|row| row.get(0)).collect())
    }

    fn stats(&mut self, owner: Option<&str>) -> Result<Stats, StoreError> {
        read::stats(self, owner)
    }
}

/// What went wrong and why: a handshake says by itself only that it failed.
fn chain(error: &postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl From<postgres::Error> for StoreError {
    fn from(error: postgres::Error) -> Self {
        use postgres::error::SqlState;
        let text = error.as_db_error().map_or_else(|| chain(&error), |error| error.message().to_owned());
        match error.code() {
            Some(&SqlState::DISK_FULL) => Self::NoSpace,
            Some(&SqlState::LOCK_NOT_AVAILABLE | &SqlState::T_R_DEADLOCK_DETECTED | &SqlState::QUERY_CANCELED) => {
                Self::Busy
            }
            // Shutting down, starting up, crashed; too many connections; not let in; no such database.
            Some(code) if ["57P", "53", "28", "3D"].iter().any(|class| code.code().starts_with(class)) => {
                Self::Unavailable(text)
            }
            Some(_) => Self::Fault(text),
            None => Self::Unavailable(text),
        }
    }
}
