//! Addresses of stores in configuration files: `sqlite:PATH` and `postgres://…`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use campanile::presence::{Roster, RosterBuilder};
use campanile::settings::{invalid, text};
use serde::de::{Deserialize, Deserializer, Error};

#[cfg(feature = "postgres")]
use crate::postgres::Database;
#[cfg(feature = "postgres")]
use crate::presence::PostgresSubscriptions;
use crate::presence::SqliteSubscriptions;

/// The address of a store: an SQLite file, or a PostgreSQL database (feature `postgres`).
///
/// Deserialized from `"sqlite:PATH"` or `"postgres://user:password@host/database"`. Neither errors
/// nor `Display` quote the address of a database, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreAddress {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database. Stores with the same address share its connections.
    #[cfg(feature = "postgres")]
    Postgres(Box<Database>),
}

const REMEDY: &str = "write \"sqlite:FILE\", such as \"sqlite:campanile.db\"";

impl StoreAddress {
    /// Parses an address, and reports an invalid one with `remedy`.
    ///
    /// # Errors
    /// If the kind of store is unknown or not part of this build, or its address is invalid.
    pub fn parse<E: Error>(address: &str, remedy: &str) -> Result<Self, E> {
        match address.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            Some(("postgres" | "postgresql", _)) => Self::postgres(address),
            _ => Err(invalid("the value is not a known kind of store", remedy)),
        }
    }

    /// Resolves a relative path against a folder.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        match self {
            Self::Sqlite(path) => Self::Sqlite(folder.join(path)),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => self,
        }
    }

    /// Returns a builder for a roster that keeps its subscriptions at this address.
    pub fn roster(&self) -> RosterBuilder {
        match self {
            Self::Sqlite(path) => Roster::builder(SqliteSubscriptions::new(path)),
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => {
                Roster::builder(PostgresSubscriptions::new(Database::clone(database)))
            }
        }
    }

    /// Returns `true` if the data crosses a network unencrypted.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.is_exposed(),
        }
    }

    #[cfg(feature = "postgres")]
    fn postgres<E: Error>(address: &str) -> Result<Self, E> {
        let database = Database::new(address).map_err(|_| {
            invalid(
                "the value is not a database address",
                "write postgres://user:password@host/database, and append ?sslmode=verify-full to \
                 encrypt",
            )
        })?;
        Ok(Self::Postgres(Box::new(database)))
    }

    #[cfg(not(feature = "postgres"))]
    fn postgres<E: Error>(_: &str) -> Result<Self, E> {
        Err(invalid(
            "this program was built without PostgreSQL",
            "rebuild it with `--features postgres`, or write \"sqlite:FILE\"",
        ))
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => f.write_str("postgres"),
        }
    }
}

impl Hash for StoreAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Sqlite(path) => path.hash(state),
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.name().hash(state),
        }
    }
}

impl<'de> Deserialize<'de> for StoreAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "a string in quotation marks", |address| {
            Self::parse(address, REMEDY)
        })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for StoreAddress {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StoreAddress".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(sqlite:|postgres(ql)?://)." })
    }
}
