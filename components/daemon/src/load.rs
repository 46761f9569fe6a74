//! Loading of a configuration: its modules are built and mounted once, so that every fault is
//! found before anything runs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use campanile::component::BuildError;
use campanile::error::BoxError;
use campanile::module::MountError;

use crate::build::{self, ModuleSet};
use crate::config::{Component, Config, Failure, Fault, Source};
use crate::diagnostics;

/// Parses a configuration, and checks that the modules of each component can be mounted.
///
/// # Errors
/// Returns all faults of the file, or the conflicts of the modules that it enables.
pub(crate) fn load(source: &Source) -> Result<Config, Failure> {
    let config = Config::parse(source)?;
    let faults: Vec<Fault> = config.components.iter().filter_map(conflict).collect();
    if faults.is_empty() {
        return Ok(config);
    }
    Err(Failure::Wrong {
        faults,
        warnings: config.warnings,
    })
}

/// Returns the reason that a component cannot be built, with the position of the module at fault.
fn conflict(settings: &Component) -> Option<Fault> {
    // A module that panics must not end a daemon that reloads.
    match catch_unwind(AssertUnwindSafe(|| built(settings))) {
        Ok(fault) => fault,
        Err(_) => Some(settings.places.fault(
            None,
            format!("{}: a module panicked when it was built", settings.jid),
            "the panic message shows the location; report it to the author of the module".into(),
        )),
    }
}

fn built(settings: &Component) -> Option<Fault> {
    let set = match ModuleSet::new(settings) {
        Ok(set) => set,
        Err(error) => return Some(unbuildable(settings, &error)),
    };
    match build::assemble(settings, &set, &campanile::layer::MetricsLayer::new()).build() {
        Ok(_) => None,
        Err(BuildError::Mount(error)) => Some(unmountable(settings, &set, &error)),
        Err(error) => Some(unbuildable(settings, &error.into())),
    }
}

fn unbuildable(settings: &Component, error: &BoxError) -> Fault {
    let what = format!("{}: {}", settings.jid, diagnostics::chain(&**error));
    let remedy = "change the settings of this component";
    settings.places.fault(None, what, remedy.into())
}

fn unmountable(settings: &Component, set: &ModuleSet, error: &MountError) -> Fault {
    let table = set.table_of(error.module());
    let what = diagnostics::chain(error);
    let Some(other) = error.conflict() else {
        let remedy = match table {
            Some(table) => format!("change or remove [component.{table}]"),
            None => "report it to the author of the module".to_owned(),
        };
        return settings.places.fault(table, what, remedy);
    };
    let other = set.table_of(other);
    let line = other.and_then(|other| settings.places.line(other));
    let what = match (other, line) {
        (Some(other), Some(line)) => format!("{what}; [component.{other}] is at line {line}"),
        _ => what,
    };
    let mut remedy = "mount one of them on a JID of its own".to_owned();
    if [table, other].contains(&Some("logger")) {
        remedy.push_str(
            "; to archive the traffic of this component, write [component.tap] with \
             archive = \"ARCHIVE@LOGGER\" instead of [component.logger]",
        );
    }
    settings.places.fault(table, what, remedy)
}
