//! Database addresses: `postgres://…`.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use campanile_storage::postgres::Database;

use super::fault::Faults;
use super::table::Value;

/// A PostgreSQL database. Components with the same address share its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PostgresAddress(Arc<Database>);

impl PostgresAddress {
    pub(crate) fn database(&self) -> Database {
        Database::clone(&self.0)
    }
}

impl Hash for PostgresAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name().hash(state);
    }
}

/// Reads a database address; `what` names the data kept there.
///
/// Faults never quote the value, which may hold a password.
pub(super) fn read(
    value: &Value<'_>,
    what: &str,
    faults: &mut Faults<'_>,
) -> Option<PostgresAddress> {
    let Ok(database) = Database::new(value.text(faults)?) else {
        let remedy = "write postgres://user:password@host/database, and append \
            ?sslmode=verify-full to encrypt";
        faults.push(&value.span, "`store` is not a database address", remedy);
        return None;
    };
    if database.is_exposed() {
        let remedy = "append ?sslmode=verify-full to the address, and &sslrootcert=/path/ca.pem \
            for a private CA";
        faults.warn(
            &value.span,
            format!("{what} crosses the network unencrypted"),
            remedy,
        );
    }
    Some(PostgresAddress(Arc::new(database)))
}
