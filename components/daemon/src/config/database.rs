//! Where a store may be but for a file: `postgres://…`.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use campanile_postgres::Database;

use super::fault::Faults;
use super::table::Value;

/// A database. Components that name the same one share what they have of it.
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

/// An address free of faults; `what` goes there. What is wrong with it is not cited: it may be the
/// password.
pub(super) fn read(
    value: &Value<'_>,
    what: &str,
    faults: &mut Faults<'_>,
) -> Option<PostgresAddress> {
    let Ok(database) = Database::new(value.text(faults)?) else {
        let remedy = "write postgres://user:password@host/database, and ?sslmode=verify-full \
            behind it to encrypt";
        faults.push(&value.span, "`store` is no address of a database", remedy);
        return None;
    };
    if database.is_exposed() {
        let remedy = "write ?sslmode=verify-full behind the address, and &sslrootcert=/path/ca.pem \
            for an authority of your own";
        faults.warn(
            &value.span,
            format!("{what} crosses the network unencrypted"),
            remedy,
        );
    }
    Some(PostgresAddress(Arc::new(database)))
}
