//! Archives by the address of a configuration file.

use campanile_storage::StoreAddress;

#[cfg(feature = "postgres")]
use super::PostgresStore;
use super::{Backend, Open, SqliteStore, StoreError};

impl Open for StoreAddress {
    fn open(&self, write: bool) -> Result<Box<dyn Backend>, StoreError> {
        match self {
            Self::Sqlite(path) => SqliteStore::new(path).open(write),
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => PostgresStore::from((**database).clone()).open(write),
            _ => Err(StoreError::Fault(
                "this program was built without archives in this kind of store".to_owned(),
            )),
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(path) => SqliteStore::new(path).check(),
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => PostgresStore::from((**database).clone()).check(),
            _ => Ok(()),
        }
    }

    fn name(&self) -> String {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.name().to_owned(),
            Self::Sqlite(path) => SqliteStore::new(path).name(),
            other => other.to_string(),
        }
    }

    fn is_remote(&self) -> bool {
        !matches!(self, Self::Sqlite(_))
    }
}
