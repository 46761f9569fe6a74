//! Imports between the files of a crate, found in the source text.
//!
//! Tests and `pub use` do not count, nor does a file that names what the `mod.rs` of its own folder
//! defines. Macros are not expanded.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Maximum number of re-exports that are followed to a definition.
const REEXPORTS: u32 = 8;

/// The imports between the files of one crate.
#[derive(Debug)]
pub struct Imports {
    edges: BTreeSet<(PathBuf, PathBuf)>,
}

impl Imports {
    /// Reads all files below a folder `src`.
    #[must_use]
    pub fn of(source: &Path) -> Self {
        let mut edges = BTreeSet::new();
        for file in rust_files(source) {
            let text = fs::read_to_string(&file).expect("a source file is readable");
            for path in imported_paths(&text) {
                if let Some(target) = resolve(source, &file, &path, REEXPORTS)
                    && target != file
                    && !is_part_of(&file, &target)
                {
                    edges.insert((file.clone(), target));
                }
            }
        }
        Self { edges }
    }

    /// Returns pairs of the importing and the imported file.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.edges.iter().map(|(from, to)| (&**from, &**to))
    }

    /// Returns the imports that are part of a circle.
    pub fn circular(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.iter().filter(|(from, to)| self.reaches(to, from))
    }

    fn reaches(&self, from: &Path, goal: &Path) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(file) = open.pop() {
            for (_, to) in self.iter().filter(|(from, _)| *from == file) {
                if to == goal {
                    return true;
                }
                if seen.insert(to) {
                    open.push(to);
                }
            }
        }
        false
    }
}

/// Returns `true` if `file` lies in the folder of the module file `module`.
fn is_part_of(file: &Path, module: &Path) -> bool {
    module.ends_with("mod.rs")
        && module
            .parent()
            .is_some_and(|folder| file.starts_with(folder))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a source folder is readable") {
        let path = entry.expect("a source folder is readable").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
            files.push(path);
        }
    }
    files
}

/// Returns `true` for a file that its parent declares with `#[cfg(test)]`, or that lies in a folder
/// of tests.
fn is_test(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let declaration = format!("#[cfg(test)]\nmod {stem};");
    let declared = ["mod.rs", "lib.rs"].iter().any(|parent| {
        let text = fs::read_to_string(path.with_file_name(parent));
        text.is_ok_and(|text| text.contains(&declaration))
    });
    declared || path.to_string_lossy().contains("/tests")
}

/// Returns the paths that a file names: in its private imports, with `{…}` expanded, and in full in
/// its code.
fn imported_paths(text: &str) -> Vec<String> {
    let without_tests = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: String = without_tests
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut paths = Vec::new();
    for (at, start) in code.match_indices("\nuse ") {
        let tree = &code[at + start.len()..];
        expand("", tree.split(';').next().unwrap_or_default(), &mut paths);
    }
    let words = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let full = words.filter(|word| word.starts_with("crate::") || word.starts_with("super::"));
    paths.extend(full.map(|word| word.trim_end_matches(':').to_owned()));
    paths
}

/// Appends the paths of a `use` tree.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or_default();
        paths.push(format!("{prefix}{}", name.trim_end_matches("::self")));
        return;
    };
    let prefix = format!("{prefix}{head}");
    let mut depth = 0;
    let mut part = String::new();
    for c in rest.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            expand(&prefix, &std::mem::take(&mut part), paths);
        } else {
            part.push(c);
        }
    }
    if !part.trim().is_empty() {
        expand(&prefix, &part, paths);
    }
}

/// Returns the file that defines the last name of a path, following re-exports. Returns `None` for
/// a path into another crate.
fn resolve(source: &Path, file: &Path, path: &str, reexports: u32) -> Option<PathBuf> {
    let mut names = path.split("::").peekable();
    let mut module = module_of(source, file);
    match *names.peek()? {
        "crate" => {
            module.clear();
            names.next();
        }
        "self" => {
            names.next();
        }
        "super" => {
            while names.next_if_eq(&"super").is_some() {
                module.pop();
            }
        }
        _ => return None,
    }
    let mut home = file_of(source, &module)?;
    for name in names {
        module.push(name.to_owned());
        match file_of(source, &module) {
            Some(found) => home = found,
            None => return follow(source, &home, name, reexports).or(Some(home)),
        }
    }
    Some(home)
}

/// Returns the file that a module has a name from, if it imports or re-exports that name.
fn follow(source: &Path, home: &Path, name: &str, reexports: u32) -> Option<PathBuf> {
    let left = reexports.checked_sub(1)?;
    let text = fs::read_to_string(home).ok()?;
    for start in [
        "\npub use ",
        "\npub(crate) use ",
        "\npub(super) use ",
        "\nuse ",
    ] {
        for (at, _) in text.match_indices(start) {
            let mut paths = Vec::new();
            expand("", text[at + start.len()..].split(';').next()?, &mut paths);
            let found = paths
                .iter()
                .find(|path| path.rsplit("::").next() == Some(name));
            if let Some(path) = found {
                return resolve(source, home, path, left);
            }
        }
    }
    None
}

fn module_of(source: &Path, file: &Path) -> Vec<String> {
    let path = file.strip_prefix(source).unwrap_or(file).with_extension("");
    let mut names: Vec<_> = path
        .iter()
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    if matches!(
        names.last().map(String::as_str),
        Some("mod" | "lib" | "main")
    ) {
        names.pop();
    }
    names
}

fn file_of(source: &Path, module: &[String]) -> Option<PathBuf> {
    if module.is_empty() {
        return Some(source.join("lib.rs"));
    }
    let path = module
        .iter()
        .fold(source.to_owned(), |path, name| path.join(name));
    let candidates = [path.with_extension("rs"), path.join("mod.rs")];
    candidates.into_iter().find(|path| path.is_file())
}
