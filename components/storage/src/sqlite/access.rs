//! Identity and permissions of files.

use std::fs;
use std::path::Path;

/// The device and inode of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

impl FileId {
    /// Returns the identity of the file at a path; `None` if there is none, or it is out of reach.
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(path).ok()?;
        Some(Self(metadata.dev(), metadata.ino()))
    }

    /// Elsewhere, an open file cannot be removed.
    #[cfg(not(unix))]
    pub(super) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|_| Self(0, 0))
    }
}

/// Returns `false` for the names of databases in memory, and for URIs.
pub(crate) fn is_on_disk(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !name.is_empty() && name != ":memory:" && !name.starts_with("file:")
}

/// Creates a file that only its owner may read and write, if there is none.
///
/// An error is left to SQLite, which reports it when it opens the file. An existing file is not
/// opened: closing it would release the locks of SQLite on it (fcntl(2)).
pub(super) fn create(path: &Path) {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // `create_new` fails if the file exists, as it should.
    let _ = options.open(path);
}

/// Removes the permissions of everyone but the owner.
#[cfg(unix)]
pub(super) fn restrict(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = fs::metadata(path) else {
        return;
    };
    let mode = metadata.permissions().mode();
    if mode & 0o077 == 0 || !metadata.is_file() {
        return;
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)) {
        Ok(()) => tracing::info!(file = %path.display(), mode = %octal(mode), "permissions of \
            database restricted to 0600"),
        Err(error) => warn(path, mode, &error),
    }
}

#[cfg(not(unix))]
pub(super) fn restrict(_path: &Path) {}

#[cfg(unix)]
fn warn(path: &Path, mode: u32, error: &std::io::Error) {
    tracing::warn!(
        file = %path.display(),
        mode = %octal(mode),
        %error,
        help = %format_args!("run chmod 600 {} as its owner", path.display()),
        "database can be read by other users, and its permissions cannot be changed"
    );
}

#[cfg(unix)]
fn octal(mode: u32) -> String {
    format!("{:04o}", mode & 0o7777)
}
