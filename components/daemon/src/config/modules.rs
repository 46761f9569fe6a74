//! `[component.NAME]`: a table that enables a module of the catalog and holds its settings.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use campanile::module::{CatalogError, CatalogFault, Module};
use campanile::serde_json;

use super::fault::Faults;
use super::nearest::remedy;
use super::table::{Table, Value};
use crate::builtin_modules;

/// A module of the catalog with validated settings.
#[derive(Clone, PartialEq)]
pub(crate) struct Chosen {
    pub(crate) name: &'static str,
    settings: serde_json::Value,
}

impl Chosen {
    /// Builds the module.
    pub(crate) fn make(&self) -> Result<Arc<dyn Module>, CatalogError> {
        builtin_modules::catalog().make(self.name, &self.settings)
    }
}

// Settings may hold secrets, so only the name is shown.
impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chosen").field(&self.name).finish()
    }
}

/// Reads the modules that this table enables.
pub(super) fn read(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Vec<Chosen> {
    let mut chosen = Vec::new();
    for name in builtin_modules::catalog().names() {
        if table.knows(name) {
            let what = format!("module name {name:?} clashes with a key of [[component]]");
            faults.push(
                &table.span,
                what,
                "rebuild the program with another name for the module",
            );
            continue;
        }
        chosen.extend(table.take(name).and_then(|value| one(name, &value, faults)));
    }
    chosen
}

fn one(name: &'static str, value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Chosen> {
    let title = format!("[component.{name}]");
    value.table(&title, faults)?;
    let chosen = Chosen {
        name,
        settings: value.json(faults)?,
    };
    match chosen.make() {
        Ok(_) => Some(chosen),
        Err(error) => {
            error
                .faults()
                .for_each(|fault| say(&title, value, fault, faults));
            None
        }
    }
}

fn say(title: &str, value: &Value<'_>, fault: &CatalogFault, faults: &mut Faults<'_>) {
    let path: Vec<_> = fault.path().collect();
    let span: Range<usize> = value.place(&path);
    match (fault.known(), path.split_last()) {
        (Some(known), Some((key, outer))) => {
            let within = outer
                .iter()
                .fold(title.trim_end_matches(']').to_owned(), |all, key| {
                    format!("{all}.{key}")
                });
            faults.push(
                &span,
                format!("unknown key {key:?} in {within}]"),
                remedy(key, known),
            );
        }
        _ => {
            let at = path
                .last()
                .map_or_else(|| title.to_owned(), |key| format!("`{key}`"));
            faults.push(
                &span,
                format!("{at}: {}", fault.why()),
                "see the documentation of the module",
            );
        }
    }
}
