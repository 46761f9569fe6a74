//! The crates of the workspace, as their manifests describe them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the root of the workspace.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests have a folder of their own")
}

/// Returns the folders of the crates below `framework/` and `components/`, by crate name.
#[must_use]
pub fn crates() -> BTreeMap<String, PathBuf> {
    let mut crates = BTreeMap::new();
    for parent in ["framework", "components"] {
        for folder in fs::read_dir(root().join(parent)).expect("a folder of crates is readable") {
            let folder = folder.expect("a folder of crates is readable").path();
            if let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml"))
                && let Some((_, after)) = manifest.split_once("name = \"")
                && let Some((name, _)) = after.split_once('"')
            {
                crates.insert(name.to_owned(), folder);
            }
        }
    }
    crates
}

/// Returns the names of the normal dependencies of the crate in this folder.
#[must_use]
pub fn dependencies(folder: &Path) -> Vec<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a crate has a manifest");
    let after = manifest.split("\n[dependencies]\n").nth(1);
    let section = after.and_then(|after| after.split("\n[").next());
    section
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .map(str::to_owned)
        .collect()
}
