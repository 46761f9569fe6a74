//! Temporary folders.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static MADE: AtomicU32 = AtomicU32::new(0);

/// A folder with mode 0700, removed when dropped unless `CAMPANILE_TESTS_KEEP` is set.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Creates a folder whose name contains `name`. Paths are kept short, because a UNIX socket
    /// path is limited to about 100 bytes.
    pub fn new(name: &str) -> Self {
        loop {
            let number = MADE.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir()
                .join(format!("campanile-{name}-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Self { path },
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("cannot create the folder {}: {error}", path.display()),
            }
        }
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a file in the folder, as text for a configuration.
    pub fn at(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    /// Writes a file, and creates its parent folders.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path.join(name);
        let parent = path.parent().expect("a file in the folder has a parent");
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    /// Sets the permissions of a file.
    pub fn permit(&self, name: &str, mode: u32) {
        let path = self.path.join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap_or_else(|error| {
            panic!("cannot set the permissions of {}: {error}", path.display())
        });
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::env::var_os("CAMPANILE_TESTS_KEEP").is_some() {
            eprintln!("kept: {}", self.path.display());
        } else if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("could not remove {}: {error}", self.path.display());
        }
    }
}
