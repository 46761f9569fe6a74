//! Cargo invocations that are independent of the running test.

use std::path::Path;
use std::process::Command;

/// Prefixes of variables that cargo sets for a running test. Passed on, they would rerun build
/// scripts, now and in the next build.
const ABOUT_A_PACKAGE: [&str; 5] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_BIN_",
    "CARGO_CRATE_",
    "CARGO_PRIMARY_",
];

/// Returns a command for the cargo that built this test, in a folder.
pub fn command(folder: impl AsRef<Path>) -> Command {
    let mut command = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        if ABOUT_A_PACKAGE
            .iter()
            .any(|beginning| name.to_string_lossy().starts_with(beginning))
        {
            command.env_remove(name);
        }
    }
    command.current_dir(folder);
    command
}

/// Runs a command to completion and returns its standard output.
///
/// # Panics
/// If it fails, with its output.
pub fn run(mut command: Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let wrote = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{wrote}{said}",
        output.status
    );
    wrote.into_owned()
}
