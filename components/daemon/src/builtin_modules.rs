//! The modules that a table of the configuration switches on by its name alone: what the program
//! was built with.

use std::sync::OnceLock;

use campanile::module::Catalog;
use campanile_echo::Echo;
use serde::Deserialize;

/// One for the process, which was built once.
static OFFERED: OnceLock<Catalog> = OnceLock::new();

/// Settings of a module that has none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// All of them.
pub(crate) fn catalog() -> &'static Catalog {
    OFFERED.get_or_init(own)
}

/// Adds those of somebody who has built a program of this one. Called once, before anything else.
pub(crate) fn add(more: Catalog) {
    OFFERED.get_or_init(|| own().merge(more));
}

/// Those that come with the program and need nothing of it. What shares stores, or has paths and
/// secrets that are looked at with their places, is read by [`config`](crate::config).
fn own() -> Catalog {
    Catalog::new().register("echo", |Nothing {}| Ok(Echo::new()))
}
