//! A lock per JID, so that only one process on a machine serves it.
//!
//! The kernel releases the lock when the process ends, even after a crash.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use campanile::jid::BareJid;

/// Locks a JID for this process until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _files: Vec<File>,
}

/// The reason a JID cannot be locked.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process holds the lock.
    Held { jid: BareJid, process: String },
    /// No folder is writable.
    Nowhere { path: PathBuf, error: io::Error },
}

impl Lock {
    /// Acquires the lock in every folder where another process may look for it.
    ///
    /// A service and a user at a terminal have different runtime folders, and each must find the
    /// lock of the other.
    pub(crate) fn acquire(jid: &BareJid) -> Result<Self, LockError> {
        let folders = [
            // systemd: RuntimeDirectory=
            std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from),
            std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
            Some(PathBuf::from("/run/campanile")),
        ];
        let mut folders: Vec<_> = folders.into_iter().flatten().collect();
        // Two locks of one process on the same file would exclude each other.
        folders.sort();
        folders.dedup();
        let mut files = Vec::new();
        for folder in folders {
            // Skip folders that are missing or not writable.
            files.extend(take(&folder, jid)?.ok());
        }
        if files.is_empty() {
            let folder = std::env::temp_dir();
            let file = take(&folder, jid)?.map_err(|error| LockError::Nowhere {
                path: path(&folder, jid),
                error,
            })?;
            files.push(file);
        }
        Ok(Self { _files: files })
    }
}

/// Locks a file in `folder`. The inner error means that this folder cannot hold a lock.
fn take(folder: &Path, jid: &BareJid) -> Result<io::Result<File>, LockError> {
    let mut file = match open(&path(folder, jid)) {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(sign(&mut file).map(|()| file)),
        Err(TryLockError::WouldBlock) => Err(LockError::Held {
            jid: jid.clone(),
            process: holder(file),
        }),
        Err(TryLockError::Error(error)) => Ok(Err(error)),
    }
}

fn path(folder: &Path, jid: &BareJid) -> PathBuf {
    folder.join(format!("campanile-{jid}.lock"))
}

fn open(path: &Path) -> io::Result<File> {
    // In a world-writable folder, a symbolic link could point at a valuable file.
    if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// Writes the process ID into the lock file.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: File) -> String {
    let mut text = String::new();
    // The process ID is only informative.
    let read = file.take(20).read_to_string(&mut text);
    match text.trim() {
        id if read.is_ok() && !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) => {
            format!("process {id}")
        }
        _ => "another process".to_owned(),
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { jid, process } => {
                write!(f, "{jid} is already served by {process} on this machine")
            }
            Self::Nowhere { path, error } => {
                write!(f, "cannot lock {}: {error}", path.display())
            }
        }
    }
}
