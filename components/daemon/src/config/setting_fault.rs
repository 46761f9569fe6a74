//! Faults of settings, with the position of the value and the names of tables.

use campanile::settings::{Segment, SettingsFault};

use super::document::Document;
use super::fault::Faults;
use super::nearest;
use super::secret::SECRETS;
use crate::builtin_modules::catalog;

/// The tables of a component that stand under a header of their own.
pub(super) const SECTIONS: [&str; 8] = [
    "disco",
    "json_bridge",
    "limits",
    "logger",
    "presence",
    "rate",
    "tap",
    "vcard",
];

/// Adds a fault of a setting; `path` leads to it from the top of the file.
///
/// Values that were left out of the settings have been reported with a fault of their own.
pub(super) fn push(
    path: &[Segment],
    fault: &SettingsFault,
    left_out: &[Vec<Segment>],
    document: &Document<'_>,
    faults: &mut Faults<'_>,
) {
    let missing = fault.missing().map(|key| Segment::Key(key.to_owned()));
    let place: Vec<Segment> = path.iter().cloned().chain(missing).collect();
    if left_out.contains(&place) {
        return;
    }
    let (span, table) = match path.split_last() {
        Some((_, table)) if fault.is_key() => (document.key_span(path), table),
        _ => (document.span(path), path),
    };
    let name = table_name(table);
    let remedy = match (fault.known(), fault.remedy()) {
        (Some(known), _) => {
            let key = match path.last() {
                Some(Segment::Key(key)) => key.as_str(),
                _ => "",
            };
            nearest::remedy(key, &keys(known, table))
        }
        (None, Some("write a table")) if is_section(path) => {
            format!("write {name} on a line of its own")
        }
        (None, remedy) => remedy.unwrap_or_default().to_owned(),
    };
    faults.push(&span, fault.cause(&name), remedy);
}

/// Returns the name of a table: `the file`, `[[component]]`, `[component.limits]`.
fn table_name(path: &[Segment]) -> String {
    let keys: Vec<&str> = path
        .iter()
        .filter_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        })
        .collect();
    match keys.as_slice() {
        [] => "the file".to_owned(),
        ["component"] => "[[component]]".to_owned(),
        keys => format!("[{}]", keys.join(".")),
    }
}

/// Returns `true` for a table that stands under a header of its own.
fn is_section(path: &[Segment]) -> bool {
    match path {
        [Segment::Key(key)] => key != "component",
        [_, Segment::Index(_), Segment::Key(key)] => {
            SECTIONS.contains(&key.as_str()) || catalog().names().any(|name| name == key)
        }
        _ => false,
    }
}

/// Returns the keys of a table: those of its settings type, all sources of its secrets, and for a
/// component the modules of the catalog.
fn keys(known: &[&'static str], table: &[Segment]) -> Vec<&'static str> {
    let mut keys = Vec::new();
    for key in known {
        match SECRETS.iter().find(|sources| sources[0] == *key) {
            Some(sources) => keys.extend(sources.iter().copied()),
            None => keys.push(*key),
        }
    }
    if matches!(table, [Segment::Key(key), Segment::Index(_)] if key == "component") {
        keys.extend(catalog().names());
    }
    keys
}
