//! A folder for the files of the demo, which is removed at its end.

use std::io;
use std::path::{Path, PathBuf};

use super::random;

/// A new folder that only this user can read.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Creates the folder among the temporary files of the system.
    ///
    /// # Errors
    /// If it cannot be created, or exists.
    pub(super) fn create() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("campanile-demo-{}", random()));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is removed with the temporary files of the system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
