//! Examination of a file before a store uses it, without changing it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{Schema, SchemaError};

impl Schema {
    /// Checks that a store could open or create a file, without changing anything.
    ///
    /// An older version is fine, since opening the store migrates it.
    ///
    /// # Errors
    /// If the folder is missing, the file is not writable, or it belongs to another program or a
    /// newer version.
    pub fn examine(&self, path: &Path) -> Result<(), SchemaError> {
        if !path.exists() {
            return folder_exists(path);
        }
        // Only a connection for writing tells whether the file is writable; it writes nothing.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.execute_batch("PRAGMA query_only = ON")?;
        if connection.is_readonly(rusqlite::MAIN_DB)? {
            return Err(SchemaError::Unusable(format!(
                "{} is not writable; change its owner or permissions",
                path.display()
            )));
        }
        self.version(&connection).map(drop)
    }
}

/// Returns the reason that a file cannot be opened: its folder or the file itself is missing, or
/// the error of SQLite.
pub(super) fn why_not_open(path: &Path, flags: OpenFlags, error: rusqlite::Error) -> SchemaError {
    if path.exists() {
        return error.into();
    }
    match folder_exists(path) {
        Err(missing) => missing,
        Ok(()) if !flags.contains(OpenFlags::SQLITE_OPEN_CREATE) => {
            SchemaError::Unusable(format!("{} does not exist", path.display()))
        }
        Ok(()) => error.into(),
    }
}

fn folder_exists(path: &Path) -> Result<(), SchemaError> {
    // A file name alone has an empty parent, the current folder.
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(SchemaError::Unusable(format!(
                "folder {} does not exist; create it",
                folder.display()
            )))
        }
        _ => Ok(()),
    }
}
