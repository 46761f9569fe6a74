//! Files and schema migrations of SQLite databases.
//!
//! The version is the `user_version` in the file header, and the `application_id` there protects
//! files of other programs.

mod access;
mod examine;
mod file;
#[cfg(test)]
mod tests;

use std::fmt;

use rusqlite::{Connection, Result, Transaction, TransactionBehavior};

pub(crate) use self::access::is_on_disk;
pub use self::file::{DatabaseFile, FileReplaced, replaced_files};
use crate::VersionError;

/// The schema of a file, as the migrations that lead to it.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The `application_id` of the files.
    pub application: i32,
    /// A table by which a file without `application_id` and version is recognized as version 1, for
    /// stores that did not write them from the start.
    pub unversioned: Option<&'static str>,
    /// The migrations, one per version; their number is the current version.
    pub steps: &'static [Step],
}

/// A migration from one version to the next.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Executes SQL statements.
    Sql(&'static str),
    /// Calls a function, for a migration that SQL alone cannot express.
    Call(fn(&Transaction<'_>) -> Result<()>),
}

impl Schema {
    /// Migrates a file to the current version; an empty file starts at version 0.
    ///
    /// Each step is a transaction. A crash leaves the file at the version of the last complete
    /// step, where the next call resumes.
    ///
    /// # Errors
    /// If the file belongs to another program or has a newer version, or a step fails.
    pub fn migrate(&self, connection: &mut Connection) -> Result<(), SchemaError> {
        while self.version(connection)? < self.steps.len() {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Processes may start concurrently; the second one finds the step done.
            let version = self.version(&transaction)?;
            let Some(step) = self.steps.get(version) else {
                break;
            };
            step.run(&transaction)?;
            transaction.pragma_update(None, "application_id", self.application)?;
            transaction.pragma_update(None, "user_version", stored(version + 1))?;
            transaction.commit()?;
        }
        Ok(())
    }

    /// Checks that a file has the current version, without changing it.
    ///
    /// # Errors
    /// If the file belongs to another program or has another version.
    pub fn check(&self, connection: &Connection) -> Result<(), SchemaError> {
        match self.version(connection)? {
            version if version == self.steps.len() => Ok(()),
            older => Err(self.mismatch(connection, stored(older))),
        }
    }

    /// Returns the version of a file, which is not newer than the current one.
    fn version(&self, connection: &Connection) -> Result<usize, SchemaError> {
        match Header::read(connection, self.unversioned)? {
            header if header.application == i64::from(self.application) => {
                usize::try_from(header.version)
                    .ok()
                    .filter(|version| *version <= self.steps.len())
                    .ok_or_else(|| self.mismatch(connection, header.version))
            }
            header if header.version == 0 && header.is_empty => Ok(0),
            header if (header.application, header.version) == (0, 0) && header.is_unversioned => {
                Ok(1)
            }
            _ => Err(SchemaError::Foreign(path(connection))),
        }
    }

    fn mismatch(&self, connection: &Connection, found: i64) -> SchemaError {
        SchemaError::Version(VersionError::new(path(connection), found, self.steps.len()))
    }
}

impl Step {
    fn run(self, transaction: &Transaction<'_>) -> Result<()> {
        match self {
            Self::Sql(statements) => transaction.execute_batch(statements),
            Self::Call(function) => function(transaction),
        }
    }
}

/// The parts of a file that tell its version.
struct Header {
    application: i64,
    version: i64,
    is_empty: bool,
    is_unversioned: bool,
}

impl Header {
    /// Reads them in one statement, and thus one snapshot: another process may be migrating.
    fn read(connection: &Connection, unversioned: Option<&str>) -> Result<Self> {
        let sql = "SELECT application_id, user_version,
                NOT EXISTS (SELECT 1 FROM sqlite_schema),
                EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)
            FROM pragma_application_id, pragma_user_version";
        connection.query_row(sql, [unversioned], |row| {
            Ok(Self {
                application: row.get(0)?,
                version: row.get(1)?,
                is_empty: row.get(2)?,
                is_unversioned: row.get(3)?,
            })
        })
    }
}

fn path(connection: &Connection) -> String {
    connection.path().unwrap_or_default().to_owned()
}

fn stored(version: usize) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// The error for a file that cannot be migrated.
#[derive(Debug)]
#[non_exhaustive]
pub enum SchemaError {
    /// The file has another version.
    Version(VersionError),
    /// The file at this path belongs to another program.
    Foreign(String),
    /// The file cannot be used, with the reason.
    Unusable(String),
    /// The file was removed or replaced while in use.
    Replaced(FileReplaced),
    /// SQLite failed.
    Sqlite(rusqlite::Error),
}

impl From<FileReplaced> for SchemaError {
    fn from(error: FileReplaced) -> Self {
        Self::Replaced(error)
    }
}

impl From<rusqlite::Error> for SchemaError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(error) => error.fmt(f),
            Self::Foreign(path) => {
                write!(f, "{path} belongs to another program; choose another file")
            }
            Self::Unusable(why) => f.write_str(why),
            Self::Replaced(error) => error.fmt(f),
            Self::Sqlite(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SchemaError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // The message of SQLite is this error's own.
            Self::Sqlite(error) => error.source(),
            _ => None,
        }
    }
}
