//! Holds the source to `framework/ARCHITECTURE.md`: crates, floors, and no circular imports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Files that may import each other in a circle: one recursive codec, split by element.
const RECURSIVE: &str = "components/json-bridge/src/mapping/";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn page() -> String {
    fs::read_to_string(root().join("framework/ARCHITECTURE.md")).unwrap()
}

/// The lines of the fenced block of this kind and number in the architecture page.
fn blocks(language: &str) -> Vec<String> {
    let page = page();
    let fenced = page.split("```").skip(1).step_by(2);
    fenced
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
        .map(str::to_owned)
        .collect()
}

/// Crates of the workspace that are published or run, by name, with the folder of their sources.
fn crates() -> BTreeMap<String, PathBuf> {
    let manifests = ["framework", "components"].map(|folder| root().join(folder));
    let folders = manifests.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    folders
        .map(|folder| folder.unwrap().path())
        .filter(|folder| folder.join("src").is_dir())
        .filter_map(|folder| {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
            let name = manifest.split("name = \"").nth(1)?.split('"').next()?;
            Some((name.to_owned(), folder))
        })
        .collect()
}

#[test]
fn diagram_shows_the_dependencies_between_crates() {
    let crates = crates();
    let mut actual = BTreeSet::new();
    for (name, folder) in &crates {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("\n[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        for line in dependencies.lines() {
            let dependency = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if crates.contains_key(dependency) {
                actual.insert(format!("{name} --> {dependency}"));
            }
        }
    }
    let drawn: BTreeSet<_> = blocks("mermaid")[0]
        .lines()
        .map(str::trim)
        .filter(|line| line.contains("-->"))
        .map(str::to_owned)
        .collect();
    assert_eq!(drawn, actual, "framework/ARCHITECTURE.md, the first diagram");
}

#[test]
fn imports_never_climb_a_floor() {
    let mut climbing = Vec::new();
    for block in blocks("floors") {
        let (name, floors) = block.split_once('\n').unwrap();
        let floors: BTreeMap<_, _> = floors
            .lines()
            .filter_map(|line| line.split_once(' '))
            .flat_map(|(floor, modules)| {
                let floor: u32 = floor.parse().unwrap();
                modules.split_whitespace().map(move |module| (module.to_owned(), floor))
            })
            .collect();
        let source = crates()[name].join("src");
        let floor = |file: &Path| {
            let path = file.strip_prefix(&source).unwrap().with_extension("");
            let path = path.to_str().unwrap().to_owned();
            if matches!(&*path, "lib" | "samples") || path.starts_with("guide") {
                return None;
            }
            // The longest name decides: `xep/forms` may stand below the rest of `xep`.
            let named = path.match_indices('/').map(|(at, _)| &path[..at]);
            let found = named.chain([&*path]).filter_map(|name| floors.get(name)).last();
            Some(*found.unwrap_or_else(|| panic!("{name}: {path} stands on no floor")))
        };
        for (from, to) in imports(&source) {
            if let (Some(low), Some(high)) = (floor(&from), floor(&to))
                && low < high
            {
                climbing.push(format!("{} imports {}", from.display(), to.display()));
            }
        }
    }
    assert!(climbing.is_empty(), "{}", climbing.join("\n"));
}

#[test]
fn files_do_not_import_each_other_in_circles() {
    let mut circles = Vec::new();
    for folder in crates().values() {
        let edges = imports(&folder.join("src"));
        let reaches = |from: &Path, goal: &Path| {
            let mut seen = BTreeSet::new();
            let mut open = vec![from];
            while let Some(file) = open.pop() {
                for (_, to) in edges.iter().filter(|(from, _)| from == file) {
                    if to == goal {
                        return true;
                    }
                    if seen.insert(to) {
                        open.push(to);
                    }
                }
            }
            false
        };
        for (from, to) in &edges {
            let path = from.to_str().unwrap();
            if !path.contains(RECURSIVE) && reaches(to, from) {
                circles.push(format!("{path} -> {}", to.display()));
            }
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// Which file imports which, within one crate. Tests, and re-exports of a module by its parent, do
/// not count.
fn imports(source: &Path) -> BTreeSet<(PathBuf, PathBuf)> {
    let files = rust_files(source);
    let mut edges = BTreeSet::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        for path in uses(&text) {
            if let Some(target) = resolve(source, file, &path, 0)
                && &target != file
                && !is_part_of(file, &target)
            {
                edges.insert((file.clone(), target));
            }
        }
    }
    edges
}

/// Whether `file` lies in the folder of the module file `module`: it is a part of that module, and
/// may name what its parent defines.
fn is_part_of(file: &Path, module: &Path) -> bool {
    module.file_name().is_some_and(|name| name == "mod.rs")
        && file.starts_with(module.parent().unwrap())
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
            files.push(path);
        }
    }
    files
}

fn is_test(path: &Path) -> bool {
    let text = path.to_str().unwrap();
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let declaration = format!("#[cfg(test)]\nmod {stem};");
    let declared = ["mod.rs", "lib.rs"].iter().any(|parent| {
        let parent = path.with_file_name(parent);
        fs::read_to_string(parent).is_ok_and(|text| text.contains(&declaration))
    });
    text.contains("/tests") || declared
}

/// The paths that a file imports, `{…}` expanded; private ones only, since `pub use` hands on.
fn uses(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("\nuse ") {
        let end = code[at..].find(';').unwrap() + at;
        expand("", &code[at + 5..end], &mut paths);
    }
    for word in code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        if word.starts_with("crate::") || word.starts_with("super::") {
            paths.push(word.trim_end_matches(':').to_owned());
        }
    }
    paths
}

fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap().trim_end_matches("::self");
        paths.push(format!("{prefix}{name}"));
        return;
    };
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
            expand(&format!("{prefix}{head}"), &part, paths);
            part.clear();
        } else {
            part.push(c);
        }
    }
    if !part.trim().is_empty() {
        expand(&format!("{prefix}{head}"), &part, paths);
    }
}

/// The file in which the last name of a path is defined, re-exports followed.
fn resolve(source: &Path, file: &Path, path: &str, depth: u32) -> Option<PathBuf> {
    if depth > 8 {
        return None;
    }
    let mut names = path.split("::").peekable();
    let mut module = module_of(source, file);
    match *names.peek()? {
        "crate" => {
            module = Vec::new();
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
    while let Some(name) = names.next() {
        let mut inner = module.clone();
        inner.push(name.to_owned());
        if let Some(found) = file_of(source, &inner) {
            module = inner;
            home = found;
            continue;
        }
        return follow(source, &home, name, depth).or(Some(home));
    }
    Some(home)
}

/// Where a module that re-exports this name has it from.
fn follow(source: &Path, home: &Path, name: &str, depth: u32) -> Option<PathBuf> {
    let text = fs::read_to_string(home).ok()?;
    for start in ["\npub use ", "\npub(crate) use ", "\npub(super) use ", "\nuse "] {
        for (at, _) in text.match_indices(start) {
            let end = text[at..].find(';')? + at;
            let mut paths = Vec::new();
            expand("", &text[at + start.len()..end], &mut paths);
            let found = paths.iter().find(|path| path.rsplit("::").next() == Some(name));
            if let Some(path) = found {
                return resolve(source, home, path, depth + 1);
            }
        }
    }
    None
}

fn module_of(source: &Path, file: &Path) -> Vec<String> {
    let path = file.strip_prefix(source).unwrap().with_extension("");
    let mut names: Vec<_> = path.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

fn file_of(source: &Path, module: &[String]) -> Option<PathBuf> {
    if module.is_empty() {
        return Some(source.join("lib.rs"));
    }
    let path = module.iter().fold(source.to_owned(), |path, name| path.join(name));
    let candidates = [path.with_extension("rs"), path.join("mod.rs")];
    candidates.into_iter().find(|path| path.is_file())
}
