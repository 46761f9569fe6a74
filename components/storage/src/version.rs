//! The error for a store whose tables do not fit the program.

use std::fmt;

/// The error for a store with a schema of another version than the program supports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionError {
    /// The file, or the schema in a PostgreSQL database.
    pub store: String,
    /// The version of the stored schema.
    pub found: i64,
    /// The version that this program reads and writes.
    pub supported: i64,
}

impl VersionError {
    /// Creates the error for a schema version, given as the number of its migrations.
    pub(crate) fn new(store: impl Into<String>, found: i64, steps: usize) -> Self {
        Self {
            store: store.into(),
            found,
            supported: i64::try_from(steps).unwrap_or(i64::MAX),
        }
    }

    /// Returns `true` if the schema was written by a newer program.
    #[must_use]
    pub const fn is_newer(&self) -> bool {
        self.found > self.supported
    }
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            store,
            found,
            supported,
        } = self;
        let remedy = if self.is_newer() {
            "install the newer version"
        } else {
            "start `campanile run`, which upgrades it"
        };
        write!(
            f,
            "{store} has schema {found}, this campanile supports {supported}: {remedy}"
        )
    }
}

impl std::error::Error for VersionError {}
