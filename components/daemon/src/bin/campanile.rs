//! The `campanile` binary, with the built-in modules.

use std::process::ExitCode;

use campanile::module::Catalog;

fn main() -> ExitCode {
    campanile_daemon::main(Catalog::new())
}
