//! The release of the servers: the installed one, or a newer one in the folder that
//! `CAMPANILE_TESTS_SERVERS` names.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Returns the folder of newer servers, as unpacked by `tests/fetch-servers`.
fn newer() -> Option<PathBuf> {
    let folder = std::env::var_os("CAMPANILE_TESTS_SERVERS")?;
    (!folder.is_empty()).then(|| folder.into())
}

/// Returns the path of a program of Prosody.
pub(super) fn prosody_program(name: &str) -> PathBuf {
    newer().map_or_else(|| name.into(), |folder| folder.join("usr/bin").join(name))
}

/// Returns the library folders of ejabberd, for `ERL_LIBS`. Debian installs it where Erlang does
/// not look by default.
pub(super) fn erlang_libraries() -> OsString {
    let root = newer().unwrap_or_else(|| "/".into());
    let mut folders = vec![library_of_ejabberd(&root.join("usr/lib"))];
    if root != Path::new("/") {
        // Its dependencies precede the installed ones.
        folders.push(root.join("usr/lib/erlang/lib"));
    }
    std::env::join_paths(folders).expect("no colon in the paths")
}

/// Returns the folder in `/usr/lib` that holds ejabberd, which is named after the machine.
fn library_of_ejabberd(libraries: &Path) -> PathBuf {
    let has_ejabberd = |folder: &Path| {
        let mut names = entries(folder).map(|path| path.file_name().map(OsString::from));
        names.any(|name| name.is_some_and(|it| it.to_string_lossy().starts_with("ejabberd-")))
    };
    entries(libraries)
        .filter(|path| path.is_dir())
        .find(|path| has_ejabberd(path))
        .unwrap_or_else(|| {
            panic!("ejabberd is not installed: run `tests/run install` or apt-get install ejabberd")
        })
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

/// Parses the first two numbers of a version, such as `24.12.0`.
pub(super) fn numbers(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Returns `true` if the tests run on the newer releases.
pub fn is_newer() -> bool {
    newer().is_some()
}
