//! Archive stores, shared by all components with the same address.
//!
//! Each store has one writer thread.

use std::collections::HashMap;
use std::sync::OnceLock;

use campanile_logger::store::Store;
use campanile_storage::StoreAddress;
use parking_lot::Mutex;

static STORES: OnceLock<Mutex<HashMap<StoreAddress, Store>>> = OnceLock::new();

/// Returns the store with this address. It is opened on first use.
pub(crate) fn store(address: &StoreAddress) -> Store {
    let mut stores = STORES.get_or_init(Mutex::default).lock();
    stores
        .entry(address.clone())
        .or_insert_with(|| Store::new(address.clone()))
        .clone()
}
