//! The program `campanile` with one module more, somebody else's: one line mounts it, and a table
//! of the configuration switches it on.
//!
//! `cargo run -p example-club-daemon -- run --config examples/club-daemon/club.toml` serves
//! `club.localhost`, at the server on 127.0.0.1:5347; `-- check` finds every fault of the
//! configuration, those of the module's table included.

use std::process::ExitCode;

use campanile::module::Catalog;
use example_guestbook::Guestbook;

fn main() -> ExitCode {
    campanile_daemon::main(Catalog::new().register("guestbook", Guestbook::new))
}
