//! Archive stores, shared by all components with the same address.
//!
//! Each store has one writer thread.

use std::collections::HashMap;
use std::sync::OnceLock;

use parking_lot::Mutex;

#[cfg(feature = "postgres")]
use campanile_logger::store::PostgresStore;
use campanile_logger::store::{Backend, Open, SqliteStore, Store, StoreError};

use crate::config::StoreAddress;

static STORES: OnceLock<Mutex<HashMap<StoreAddress, Store>>> = OnceLock::new();

/// Returns the store with this address. It is opened on first use.
pub(crate) fn store(address: &StoreAddress) -> Store {
    let mut stores = STORES.get_or_init(Mutex::default).lock();
    stores
        .entry(address.clone())
        .or_insert_with(|| open(address))
        .clone()
}

fn open(address: &StoreAddress) -> Store {
    match address {
        StoreAddress::Sqlite(path) => Store::new(SqliteStore::new(path)),
        #[cfg(feature = "postgres")]
        StoreAddress::Postgres(address) => Store::new(PostgresStore::from(address.database())),
    }
}

/// Opens a separate connection, for a command that runs beside the daemon.
pub(crate) fn connect(address: &StoreAddress, write: bool) -> Result<Box<dyn Backend>, StoreError> {
    match address {
        StoreAddress::Sqlite(path) => SqliteStore::new(path).open(write),
        #[cfg(feature = "postgres")]
        StoreAddress::Postgres(address) => PostgresStore::from(address.database()).open(write),
    }
}
