//! Tests of files that are replaced or readable for others.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{DatabaseFile, replaced_files};

/// A temporary directory, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("campanile-file-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn open(path: &Path) -> (Connection, DatabaseFile) {
    let (connection, file) = DatabaseFile::open(path, OpenFlags::default()).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (x)")
        .unwrap();
    file.check().unwrap();
    (connection, file)
}

fn is_reported(path: &Path) -> bool {
    replaced_files()
        .iter()
        .any(|replaced| replaced.path().starts_with(path.parent().unwrap()))
}

#[test]
fn replaced_file_fails_until_it_is_back() {
    let folder = Folder::new("replaced");
    let path = folder.path("a.db");
    let (_connection, file) = open(&path);
    for name in ["a.db", "a.db-wal", "a.db-shm"] {
        let named = folder.path(name);
        let aside = folder.path("aside");
        fs::rename(&named, &aside).unwrap();
        let missing = file.check().unwrap_err().to_string();
        assert!(
            missing.ends_with(&format!("{name} was removed or replaced while in use")),
            "{missing}"
        );
        fs::write(&named, "another file").unwrap();
        assert!(file.check().is_err() && is_reported(&path), "{name}");
        // Another connection would mix the two files.
        assert!(DatabaseFile::open(&path, OpenFlags::default()).is_err());
        fs::rename(&aside, &named).unwrap();
        file.check().unwrap();
        assert!(!is_reported(&path));
    }
}

#[test]
fn closed_file_may_be_replaced() {
    let folder = Folder::new("closed");
    let path = folder.path("a.db");
    drop(open(&path));
    fs::remove_file(&path).unwrap();
    let (_connection, file) = open(&path);
    assert!(file.check().is_ok() && !is_reported(&path));
}

#[test]
fn database_is_private() {
    let folder = Folder::new("private");
    let path = folder.path("a.db");
    let files = ["a.db", "a.db-wal", "a.db-shm"].map(|name| folder.path(name));
    let opened = open(&path);
    assert_eq!(files.each_ref().map(|file| mode(file)), [0o600; 3]);
    for file in &files {
        fs::set_permissions(file, fs::Permissions::from_mode(0o664)).unwrap();
    }
    let second = open(&path);
    assert_eq!(files.each_ref().map(|file| mode(file)), [0o600; 3]);
    drop((opened, second));
}

#[test]
fn database_in_memory_creates_no_file() {
    let (connection, file) =
        DatabaseFile::open(Path::new(":memory:"), OpenFlags::default()).unwrap();
    connection.execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(file.check().is_ok() && !Path::new(":memory:").exists());
}

/// The last connection to close removes the log, just when another store begins to use it.
#[test]
fn store_may_be_opened_again_while_an_earlier_one_closes() {
    let folder = Folder::new("again");
    let path = folder.path("a.db");
    for turn in 0..200 {
        let earlier = open(&path);
        earlier.0.execute("INSERT INTO t VALUES (1)", []).unwrap();
        let (connection, record) = earlier;
        drop(connection);
        let closing = std::thread::spawn(move || drop(record));
        let (connection, file) = DatabaseFile::open(&path, OpenFlags::default())
            .unwrap_or_else(|error| panic!("turn {turn}: {error}"));
        connection.execute("INSERT INTO t VALUES (2)", []).unwrap();
        file.check()
            .unwrap_or_else(|error| panic!("turn {turn}: {error}"));
        closing.join().unwrap();
        file.check()
            .unwrap_or_else(|error| panic!("turn {turn}, closed: {error}"));
    }
}
