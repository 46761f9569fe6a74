//! The PostgreSQL store, which several instances may share.
//!
//! A writer holds an advisory lock for its whole transaction. Places are thus assigned in commit
//! order, so that a client that pages through results misses no entry. Batches are large, so the
//! lock is not a bottleneck.

mod erase;
mod read;
mod reindex;
mod schema;
mod statement_limit;
mod write;

use std::collections::HashMap;

use campanile_storage::postgres::{ConnectError, Database, chain};
use postgres::Client;

use self::statement_limit::StatementLimit;
use super::{Backend, Deadline, Open, Page, Place, Prune, Query, StoreError, Usage};
use crate::keys::Keys;
use crate::new_entry::NewEntry;

/// A store in a PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresStore(Database);

impl PostgresStore {
    /// Creates a store for a database [address](Database::new). The tables are created in the
    /// schema `campanile_logger` on first use.
    ///
    /// # Errors
    /// If the address is invalid, with the reason.
    pub fn new(address: &str) -> Result<Self, StoreError> {
        Database::new(address)
            .map(Self)
            .map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

impl From<Database> for PostgresStore {
    fn from(database: Database) -> Self {
        Self(database)
    }
}

impl Open for PostgresStore {
    fn open(&self, write: bool) -> Result<Box<dyn Backend>, StoreError> {
        let mut client = self.0.connect_blocking()?;
        let keys = schema::prepare(&mut client, write)?;
        Ok(Box::new(Postgres {
            client,
            keys,
            known: HashMap::new(),
            epoch: 0,
            limit: StatementLimit::default(),
        }))
    }

    fn check(&self) -> Result<(), StoreError> {
        self.0.connect_blocking()?;
        Ok(())
    }

    fn name(&self) -> String {
        self.0.name().to_owned()
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// One connection.
struct Postgres {
    client: Client,
    keys: Keys,
    /// Cached numbers of JIDs.
    known: HashMap<Box<str>, i64>,
    /// Incremented by each erasure, after which cached numbers may be stale.
    epoch: i64,
    limit: StatementLimit,
}

impl Backend for Postgres {
    fn keys(&self) -> Keys {
        self.keys.clone()
    }

    fn commit(&mut self, batch: &[NewEntry]) -> Result<Vec<Result<Place, StoreError>>, StoreError> {
        write::commit(self, batch)
    }

    fn set_deadline(&mut self, deadline: Deadline) -> Result<(), StoreError> {
        self.limit.begin(&mut self.client, deadline)
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

    fn reindex(&mut self, most: usize) -> Result<usize, StoreError> {
        reindex::reindex(self, most)
    }

    fn unfinished(&mut self) -> Result<Vec<String>, StoreError> {
        erase::unfinished(self)
    }

    fn prune(&mut self, rule: &Prune, most: usize) -> Result<usize, StoreError> {
        erase::prune(self, rule, most)
    }

    fn set_opted_out(&mut self, jid: &str, opted_out: bool) -> Result<(), StoreError> {
        let statement = if opted_out {
            "INSERT INTO silent (hash) VALUES ($1) ON CONFLICT DO NOTHING"
        } else {
            "DELETE FROM silent WHERE hash = $1"
        };
        self.client.execute(statement, &[&self.keys.hash(jid)])?;
        Ok(())
    }

    fn opted_out(&mut self) -> Result<Vec<String>, StoreError> {
        Ok(self
            .client
            .query("SELECT hash FROM silent", &[])?
            .iter()
            .map(|row| row.get(0))
            .collect())
    }

    fn usage(&mut self, owner: Option<&str>) -> Result<Usage, StoreError> {
        read::usage(self, owner)
    }
}

impl From<ConnectError> for StoreError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Database(error) => error.into(),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<postgres::Error> for StoreError {
    fn from(error: postgres::Error) -> Self {
        use postgres::error::SqlState;
        let text = chain(&error);
        match error.code() {
            Some(&SqlState::DISK_FULL) => Self::NoSpace,
            Some(
                &SqlState::LOCK_NOT_AVAILABLE
                | &SqlState::T_R_DEADLOCK_DETECTED
                | &SqlState::QUERY_CANCELED,
            ) => Self::Busy,
            // Shutting down, starting up or crashed; too many connections; access denied; no such
            // database.
            Some(code)
                if ["57P", "53", "28", "3D"]
                    .iter()
                    .any(|class| code.code().starts_with(class)) =>
            {
                Self::Unavailable(text)
            }
            Some(_) => Self::Fault(text),
            None => Self::Unavailable(text),
        }
    }
}
