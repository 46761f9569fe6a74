//! Holds the source to `framework/ARCHITECTURE.md`: crates, floors, and no circular imports.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use campanile_tests::imports::Imports;
use campanile_tests::workspace::{self, crates, root};

/// Files that may import each other in a circle: one recursive codec, split by element.
const RECURSIVE: &str = "components/json-bridge/src/mapping/";

/// Returns the contents of the fenced code blocks of a language in the architecture page.
fn blocks(language: &str) -> Vec<String> {
    let page = fs::read_to_string(root().join("framework/ARCHITECTURE.md")).unwrap();
    let fenced = page.split("```").skip(1).step_by(2);
    fenced
        .filter_map(|block| Some(block.strip_prefix(language)?.strip_prefix('\n')?.to_owned()))
        .collect()
}

#[test]
fn diagram_shows_dependencies_between_crates() {
    let crates = crates();
    let mut actual = BTreeSet::new();
    for (name, folder) in &crates {
        for dependency in workspace::dependencies(folder) {
            if crates.contains_key(&dependency) {
                actual.insert(format!("{name} --> {dependency}"));
            }
        }
    }
    let diagram = &blocks("mermaid")[0];
    let edges = diagram
        .lines()
        .map(str::trim)
        .filter(|line| line.contains("-->"));
    let drawn: BTreeSet<_> = edges.map(str::to_owned).collect();
    assert_eq!(
        drawn, actual,
        "framework/ARCHITECTURE.md, the first diagram"
    );
}

/// Returns the floor of a file. The longest name decides: `xep/form` stands below `xep`.
fn floor(floors: &BTreeMap<&str, u32>, source: &Path, file: &Path) -> Option<u32> {
    let path = file.strip_prefix(source).unwrap().with_extension("");
    let names = path.ancestors().map(|name| name.to_str().unwrap());
    let mut found = names.filter_map(|name| floors.get(name).copied());
    let outside = path == Path::new("lib") || path.starts_with("guide");
    let floor = found.next();
    assert!(
        outside || floor.is_some(),
        "{} stands on no floor",
        file.display()
    );
    floor
}

#[test]
fn imports_never_climb_a_floor() {
    let mut climbing = Vec::new();
    for block in blocks("floors") {
        let (name, table) = block.split_once('\n').unwrap();
        let rows = table.lines().filter_map(|row| row.split_once(' '));
        let floors = rows.flat_map(|(floor, modules)| {
            let floor = floor.parse().unwrap();
            modules
                .split_whitespace()
                .map(move |module| (module, floor))
        });
        let floors: BTreeMap<_, _> = floors.collect();
        let source = crates()[name].join("src");
        for (from, to) in Imports::of(&source).iter() {
            let [low, high] = [from, to].map(|file| floor(&floors, &source, file));
            if low.zip(high).is_some_and(|(low, high)| low < high) {
                climbing.push(format!("{} imports {}", from.display(), to.display()));
            }
        }
    }
    assert!(climbing.is_empty(), "{}", climbing.join("\n"));
}

#[test]
fn files_do_not_import_each_other_in_circles() {
    let imports: Vec<_> = crates()
        .values()
        .map(|folder| Imports::of(&folder.join("src")))
        .collect();
    let circular = imports.iter().flat_map(Imports::circular);
    let forbidden = circular.filter(|(from, _)| !from.to_string_lossy().contains(RECURSIVE));
    let lines: Vec<_> = forbidden
        .map(|(from, to)| format!("{} -> {}", from.display(), to.display()))
        .collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}
