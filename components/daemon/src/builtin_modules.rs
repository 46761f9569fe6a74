//! The catalog of modules that a table in the configuration enables by name.

use std::sync::OnceLock;

use campanile::module::Catalog;
use campanile_echo::Echo;
use serde::Deserialize;

/// The catalog of this process.
static OFFERED: OnceLock<Catalog> = OnceLock::new();

/// Settings of a module without settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Returns the modules of this program: the built-in ones and those added at startup.
pub(crate) fn catalog() -> &'static Catalog {
    OFFERED.get_or_init(own)
}

/// Adds the modules of a program built on this crate.
///
/// Must be called once, before [`catalog`].
pub(crate) fn add(more: Catalog) {
    OFFERED.get_or_init(|| own().merge(more));
}

/// Returns the built-in modules that need nothing from the daemon.
///
/// Components that share stores, or have paths and secrets to be checked with their position in the
/// file, are read by [`config`](crate::config) instead.
fn own() -> Catalog {
    Catalog::new().register("echo", |Nothing {}| Ok(Echo::new()))
}
