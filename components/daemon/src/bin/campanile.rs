//! The program `campanile`, with the modules that it brings.

use std::process::ExitCode;

use campanile::module::Catalog;

fn main() -> ExitCode {
    campanile_daemon::main(Catalog::new())
}
