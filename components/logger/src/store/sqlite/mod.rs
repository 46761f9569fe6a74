//! The SQLite store.

mod erase;
mod jids;
mod read;
mod reindex;
mod schema;
#[cfg(test)]
mod tests;
mod usage_table;
mod write;

use std::path::{Path, PathBuf};
use std::time::Duration;

use campanile_storage::sqlite::{DatabaseFile, FileReplaced};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use self::jids::Jids;
use super::{Backend, Deadline, Open, Page, Place, Prune, Query, StoreError, Usage};
use crate::keys::Keys;
use crate::new_entry::NewEntry;

/// A store in one file, with a write-ahead log beside it.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    path: PathBuf,
    busy_timeout: Duration,
}

impl SqliteStore {
    /// Creates a store for this file, which is created on first use.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            busy_timeout: Duration::from_secs(5),
        }
    }

    /// Sets how long to wait while another process writes. Default: 5 s.
    #[must_use]
    pub fn busy_timeout(self, busy_timeout: Duration) -> Self {
        Self {
            busy_timeout,
            ..self
        }
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Open for SqliteStore {
    fn open(&self, write: bool) -> Result<Box<dyn Backend>, StoreError> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if write {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let (mut connection, file) = DatabaseFile::open(&self.path, flags)?;
        connection.busy_timeout(self.busy_timeout)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(if write { WRITES } else { READS })?;
        let keys = if write {
            schema::prepare(&mut connection)?
        } else {
            schema::keys(&connection)?
        };
        Ok(Box::new(Sqlite {
            jids: Jids::new(keys.clone()),
            connection,
            file,
            busy_timeout: self.busy_timeout,
            keys,
            last: None,
        }))
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(schema::examine(&self.path)?)
    }

    fn name(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }
}

/// Commits are on disk before they are reported (`FULL`), and deleted data is overwritten with
/// zeros. The log is written back at 16 MiB, and when the store is idle: each commit appends the
/// pages of the index that it changes, so that the log of a small archive grows far beyond it. The
/// caches are small, as the kernel caches the same pages.
const WRITES: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA secure_delete = ON;
    PRAGMA cache_size = -8192;
    PRAGMA wal_autocheckpoint = 4096;
    PRAGMA journal_size_limit = 16777216;
    PRAGMA temp_store = MEMORY;
";
const READS: &str = "
    PRAGMA query_only = ON;
    PRAGMA cache_size = -2048;
    PRAGMA temp_store = MEMORY;
";

/// Number of steps of SQLite's virtual machine between two checks of a deadline: a fraction of a
/// millisecond.
const PROGRESS_STEPS: std::ffi::c_int = 4000;

/// One connection.
struct Sqlite {
    connection: Connection,
    file: DatabaseFile,
    busy_timeout: Duration,
    keys: Keys,
    jids: Jids,
    /// The last assigned place.
    last: Option<Place>,
}

impl Sqlite {
    /// Runs an operation, unless the files have been replaced before or during it: what is written
    /// to a file that is gone is lost, and what is read from it is out of date.
    fn guarded<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.file.check()?;
        let outcome = operation(self);
        self.file.check()?;
        outcome
    }
}

impl Backend for Sqlite {
    fn keys(&self) -> Keys {
        self.keys.clone()
    }

    fn commit(&mut self, batch: &[NewEntry]) -> Result<Vec<Result<Place, StoreError>>, StoreError> {
        self.guarded(|store| write::commit(store, batch))
    }

    fn set_deadline(&mut self, deadline: Deadline) -> Result<(), StoreError> {
        let is_over = move || deadline.is_over();
        Ok(self
            .connection
            .progress_handler(PROGRESS_STEPS, Some(is_over))?)
    }

    fn page(&mut self, query: &Query) -> Result<Page, StoreError> {
        self.guarded(|store| read::page(store, query))
    }

    fn count(&mut self, query: &Query, most: u64) -> Result<Option<u64>, StoreError> {
        self.guarded(|store| read::count(store, query, most))
    }

    fn place(&mut self, query: &Query, id: &str) -> Result<Place, StoreError> {
        self.guarded(|store| read::place(store, query, id))
    }

    fn erase(&mut self, jid: &str, most: usize) -> Result<usize, StoreError> {
        self.guarded(|store| erase::erase(store, jid, most))
    }

    fn scrub(&mut self) -> Result<(), StoreError> {
        self.guarded(|store| erase::scrub(&store.connection))
    }

    fn reindex(&mut self, most: usize) -> Result<usize, StoreError> {
        self.guarded(|store| reindex::reindex(store, most))
    }

    fn compact(&mut self) -> Result<bool, StoreError> {
        let busy_timeout = self.busy_timeout;
        self.guarded(|store| {
            // Entries that arrive meanwhile must not wait for a reader.
            store.connection.busy_timeout(Duration::ZERO)?;
            let done = erase::truncate_log(&store.connection);
            store.connection.execute_batch("PRAGMA shrink_memory")?;
            store.connection.busy_timeout(busy_timeout)?;
            done
        })
    }

    fn unfinished(&mut self) -> Result<Vec<String>, StoreError> {
        self.guarded(|store| erase::unfinished(&store.connection))
    }

    fn prune(&mut self, rule: &Prune, most: usize) -> Result<usize, StoreError> {
        self.guarded(|store| erase::prune(store, rule, most))
    }

    fn set_opted_out(&mut self, jid: &str, opted_out: bool) -> Result<(), StoreError> {
        let hash = self.keys.hash(jid);
        let statement = if opted_out {
            "INSERT OR IGNORE INTO silent (hash) VALUES (?1)"
        } else {
            "DELETE FROM silent WHERE hash = ?1"
        };
        self.guarded(|store| Ok(store.connection.execute(statement, [hash]).map(drop)?))
    }

    fn opted_out(&mut self) -> Result<Vec<String>, StoreError> {
        self.guarded(|store| {
            let mut statement = store.connection.prepare_cached("SELECT hash FROM silent")?;
            let hashes = statement.query_map([], |row| row.get(0))?;
            Ok(hashes.collect::<Result<_, _>>()?)
        })
    }

    fn usage(&mut self, owner: Option<&str>) -> Result<Usage, StoreError> {
        self.guarded(|store| usage_table::usage(store, owner))
    }
}

impl From<FileReplaced> for StoreError {
    fn from(error: FileReplaced) -> Self {
        Self::Replaced(error.to_string())
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OperationInterrupted,
            ) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::NoSpace,
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::NotADatabase
                | ErrorCode::DatabaseCorrupt,
            ) => Self::Unavailable(error.to_string()),
            _ => Self::Fault(error.to_string()),
        }
    }
}
