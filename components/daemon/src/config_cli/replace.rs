//! Atomic replacement of a file.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Replaces the content of a file in one step; keeps its owner, group and permissions.
///
/// A reader, or a crash, meets either the old or the new content. A symbolic link is followed.
///
/// # Errors
///
/// The file is unchanged and no temporary file remains if the content cannot be written, or if the
/// owner or group cannot be kept: a daemon of another user could not read its configuration then.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let metadata = fs::metadata(&path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let temporary = beside(&path);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        // The file may hold secrets; it gets its permissions after its owner.
        .mode(0o600)
        .open(&temporary)
        .map_err(|error| named("cannot create a temporary file beside it", &error))?;
    let written = fill(file, text, &metadata).and_then(|()| fs::rename(&temporary, &path));
    written.inspect_err(|_| {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    })
}

fn fill(mut file: File, text: &str, like: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        fchown(&file, Some(like.uid()), Some(like.gid()))
            .map_err(|error| named("cannot keep its owner and group", &error))?;
    }
    file.set_permissions(like.permissions())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Returns a new name in the folder of a file.
fn beside(path: &Path) -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = now.map_or(0, |since| since.subsec_nanos());
    path.with_file_name(format!(".campanile-{}-{nanos}.tmp", std::process::id()))
}

fn named(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
