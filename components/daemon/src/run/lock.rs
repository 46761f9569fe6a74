//! One process serves a JID: a lock that the kernel gives back when the process ends, however it
//! ends.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use campanile::jid::BareJid;

/// Holds a JID for this process, until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _files: Vec<File>,
}

/// Why a JID cannot be held.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process holds it.
    Held { jid: BareJid, process: String },
    /// No folder takes a lock.
    Nowhere { path: PathBuf, error: io::Error },
}

impl Lock {
    /// Takes the lock in every folder where one may be looked for: a service and somebody at a
    /// terminal have different ones, and a service must be found from the terminal too.
    pub(crate) fn acquire(jid: &BareJid) -> Result<Self, LockError> {
        let folders = [
            // systemd: RuntimeDirectory=
            std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from),
            std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
            Some(PathBuf::from("/run/campanile")),
        ];
        let mut folders: Vec<_> = folders.into_iter().flatten().collect();
        // Two locks of one process on one file shut each other out.
        folders.sort();
        folders.dedup();
        let mut files = Vec::new();
        for folder in folders {
            // A folder that is not there, or not ours, is none to be looked in.
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

/// The locked file; within, why there can be none.
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
    // In a folder that everybody writes to, a link may point at a file that is worth something.
    if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "this is no regular file",
        ));
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// Writes down whose lock this is, for people.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: File) -> String {
    let mut text = String::new();
    // Who it is helps, and is not needed.
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
                write!(f, "{} cannot be locked: {error}", path.display())
            }
        }
    }
}
