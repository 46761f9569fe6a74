//! The files of open databases: private, and checked to be the ones that were opened.
//!
//! SQLite keeps writing to a file that has been removed or replaced. Its commits succeed, and all
//! of them are lost.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::SchemaError;
use super::access::{self, FileId};
use super::examine::why_not_open;

/// The files of a database: itself, its write-ahead log, and the index of that.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// Attempts to open a file while an earlier store may still be closing it, and their distance.
const CLOSE_ATTEMPTS: u32 = 50;
const CLOSE_DELAY: Duration = Duration::from_millis(20);
/// Maximum wait for another process while opening; stores set their own afterwards.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The databases that this process has open. Bounded by the stores of a configuration.
static OPEN: Mutex<Vec<Weak<Watched>>> = Mutex::new(Vec::new());

/// The files of an open database, shared by all connections of this process to it.
///
/// Keep it for as long as the connection.
#[derive(Debug, Clone)]
pub struct DatabaseFile(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    /// The identity of each file, once it has been seen.
    seen: Mutex<[Option<FileId>; SUFFIXES.len()]>,
    /// `true` while a replacement has been logged.
    is_reported: AtomicBool,
}

impl DatabaseFile {
    /// Opens a connection.
    ///
    /// With `SQLITE_OPEN_CREATE`, a missing file is created. Only the user of this process may read
    /// and write the files (mode 0600); the mode of existing files is corrected.
    ///
    /// # Errors
    /// If the file cannot be opened, or another file is at this path than the one that this process
    /// already has open.
    pub fn open(path: &Path, flags: OpenFlags) -> Result<(Connection, Self), SchemaError> {
        let mut attempts = 0;
        loop {
            match Self::try_open(path, flags) {
                // The last connection of an earlier store removes the log and its index when it
                // closes, which may be now. Its record goes with it.
                Err(SchemaError::Replaced(_)) if attempts < CLOSE_ATTEMPTS => attempts += 1,
                Err(SchemaError::Replaced(fault)) => {
                    watched(path).report_once(&fault);
                    return Err(SchemaError::Replaced(fault));
                }
                opened => return opened,
            }
            std::thread::sleep(CLOSE_DELAY);
        }
    }

    fn try_open(path: &Path, flags: OpenFlags) -> Result<(Connection, Self), SchemaError> {
        let file = Self(watched(path));
        // Before a missing file is created.
        file.0.verify(1)?;
        if access::is_on_disk(&file.0.path) {
            if flags.contains(OpenFlags::SQLITE_OPEN_CREATE) {
                access::create(path);
            }
            SUFFIXES
                .iter()
                .for_each(|suffix| access::restrict(&file.0.with(suffix)));
        }
        let connection = Connection::open_with_flags(path, flags)
            .map_err(|error| why_not_open(path, flags, error))?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // From the first transaction on, the connection holds a lock in WAL mode, and no other one
        // removes the log. Its identity is recorded only then.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        file.0.verify(SUFFIXES.len())?;
        Ok((connection, file))
    }

    /// Checks that the files are still the ones that were opened, which takes a few microseconds.
    ///
    /// Call it before a transaction, and before its success is reported. The first failure is
    /// logged.
    ///
    /// # Errors
    /// If a file has been removed or replaced.
    pub fn check(&self) -> Result<(), FileReplaced> {
        self.0.check()
    }
}

/// Returns the open databases of this process whose files have been removed or replaced.
#[must_use]
pub fn replaced_files() -> Vec<FileReplaced> {
    let open: Vec<_> = lock(&OPEN).iter().filter_map(Weak::upgrade).collect();
    open.iter()
        .filter_map(|watched| watched.check().err())
        .collect()
}

/// Returns the record of a database, which outlives each single connection.
fn watched(path: &Path) -> Arc<Watched> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut open = lock(&OPEN);
    open.retain(|watched| watched.strong_count() > 0);
    let known = open
        .iter()
        .filter_map(Weak::upgrade)
        .find(|watched| watched.path == path);
    known.unwrap_or_else(|| {
        let watched = Arc::new(Watched {
            path,
            seen: Mutex::default(),
            is_reported: AtomicBool::new(false),
        });
        open.push(Arc::downgrade(&watched));
        watched
    })
}

impl Watched {
    fn with(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(self.path.as_os_str());
        name.push(suffix);
        name.into()
    }

    fn check(&self) -> Result<(), FileReplaced> {
        match self.verify(SUFFIXES.len()) {
            Ok(()) => {
                if self.is_reported.swap(false, Ordering::Relaxed) {
                    tracing::info!(file = %self.path.display(), "database file restored");
                }
                Ok(())
            }
            Err(fault) => {
                self.report_once(&fault);
                Err(fault)
            }
        }
    }

    /// Checks the first `count` of the files, without logging.
    fn verify(&self, count: usize) -> Result<(), FileReplaced> {
        match self.first_replaced(count) {
            None => Ok(()),
            Some(path) => Err(FileReplaced(path)),
        }
    }

    fn report_once(&self, fault: &FileReplaced) {
        if !self.is_reported.swap(true, Ordering::Relaxed) {
            self.report(fault);
        }
    }

    fn first_replaced(&self, count: usize) -> Option<PathBuf> {
        let mut seen = lock(&self.seen);
        for (seen, suffix) in seen.iter_mut().zip(SUFFIXES).take(count) {
            let path = self.with(suffix);
            let now = FileId::of(&path);
            match (&seen, now) {
                // The log is created by the first transaction.
                (None, now) => *seen = now,
                (Some(before), Some(now)) if *before == now => {}
                _ => return Some(path),
            }
        }
        None
    }

    fn report(&self, fault: &FileReplaced) {
        let path = self.path.display();
        tracing::error!(
            file = %path,
            error = %fault,
            help = %format_args!(
                "move the original file back; or, to restore a backup, stop campanile, remove \
                {path}-wal and {path}-shm, put the backup at {path}, and start campanile"
            ),
            "database file replaced; nothing is stored in it until it is restored"
        );
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is a single assignment, so a panic cannot leave it inconsistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error for an open database whose file has been removed or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReplaced(PathBuf);

impl FileReplaced {
    /// Returns the path at which the file is missing, or another one is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for FileReplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} was removed or replaced while in use",
            self.0.display()
        )
    }
}

impl std::error::Error for FileReplaced {}
