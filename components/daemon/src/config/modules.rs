//! `[component.NAME]`: a table that enables a module of the catalog and holds its settings.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use campanile::module::{CatalogError, CatalogFault, Module};
use campanile::serde_json::{self, Value};
use campanile::settings::{Segment, SettingsReader};

use super::document::Document;
use super::draft::component_path;
use super::fault::Faults;
use super::file::ComponentTable;
use super::setting_fault;
use crate::builtin_modules;

/// A module of the catalog with validated settings.
#[derive(Clone)]
pub(crate) struct Chosen {
    pub(crate) name: &'static str,
    settings: Value,
    reader: SettingsReader,
}

impl Chosen {
    /// Builds the module.
    pub(crate) fn make(&self) -> Result<Arc<dyn Module>, CatalogError> {
        builtin_modules::catalog().make(self.name, &self.settings, &self.reader)
    }
}

impl PartialEq for Chosen {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.settings == other.settings
    }
}

// Settings may hold secrets, so only the name is shown.
impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chosen").field(&self.name).finish()
    }
}

/// Returns the names of all modules that a table can enable.
pub(super) fn offered() -> impl Iterator<Item = &'static str> {
    builtin_modules::catalog().names()
}

/// Takes the tables of modules out of each component, and returns the modules by the index of their
/// component.
pub(super) fn take(
    root: &mut Value,
    left_out: &[Vec<Segment>],
    document: &Document<'_>,
    faults: &mut Faults<'_>,
) -> BTreeMap<usize, Vec<Chosen>> {
    let mut chosen: BTreeMap<usize, Vec<Chosen>> = BTreeMap::new();
    let tables = root.get_mut("component").and_then(Value::as_array_mut);
    for (index, table) in tables.into_iter().flatten().enumerate() {
        let Some(table) = table.as_object_mut() else {
            continue;
        };
        for name in offered() {
            let path = component_path(index, &[name]);
            if own_keys().contains(&name) {
                faults.push(
                    &document.span(&component_path(index, &[])),
                    format!("module name {name:?} clashes with a key of [[component]]"),
                    "rebuild the program with another name for the module",
                );
            } else if let Some(settings) = table.remove(name) {
                let module = one(name, settings, &path, left_out, document, faults);
                chosen.entry(index).or_default().extend(module);
            }
        }
    }
    chosen
}

/// Returns the keys of `[[component]]` that are no modules of the catalog.
fn own_keys() -> &'static [&'static str] {
    let unknown = serde_json::json!({ "": null });
    let (_, faults) = SettingsReader::new().read::<ComponentTable>(&unknown);
    faults
        .first()
        .and_then(campanile::settings::SettingsFault::known)
        .unwrap_or_default()
}

fn one(
    name: &'static str,
    settings: Value,
    path: &[Segment],
    left_out: &[Vec<Segment>],
    document: &Document<'_>,
    faults: &mut Faults<'_>,
) -> Option<Chosen> {
    if !settings.is_object() {
        let kind = match settings {
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            _ => "a list",
        };
        faults.push(
            &document.span(path),
            format!("`{name}` cannot be {kind}"),
            format!("write [component.{name}] on a line of its own"),
        );
        return None;
    }
    let chosen = Chosen {
        name,
        settings,
        reader: SettingsReader::new().folder(faults.path("")),
    };
    let Err(error) = chosen.make() else {
        return Some(chosen);
    };
    for fault in error.faults() {
        push(path, fault, left_out, document, faults);
    }
    None
}

fn push(
    path: &[Segment],
    fault: &CatalogFault,
    left_out: &[Vec<Segment>],
    document: &Document<'_>,
    faults: &mut Faults<'_>,
) {
    if let Some(setting) = fault.setting() {
        let whole: Vec<Segment> = path.iter().chain(setting.path()).cloned().collect();
        return setting_fault::push(&whole, setting, left_out, document, faults);
    }
    let cause = fault.cause();
    let (cause, remedy) = cause
        .split_once('\n')
        .unwrap_or((&cause, "see the documentation of the module"));
    faults.push(&document.span(path), cause, remedy);
}
