//! `campanile config schema`: the JSON Schema of the configuration file, for editors.

use std::io;

use crate::config::schema;
use crate::exit::Exit;
use crate::output::say;

pub(super) const HELP: &str = "\
Editors with support for TOML (taplo, Even Better TOML, tombi) complete keys and show their
documentation once the first line of the file names the schema:
  campanile config schema > campanile.schema.json
  #:schema ./campanile.schema.json";

/// Prints the schema.
pub(super) fn schema() -> Exit {
    match schema::text() {
        Ok(text) => say(io::stdout(), &format!("{text}\n"), Exit::Done),
        Err(error) => say(io::stderr(), &format!("{error}\n"), Exit::Fault),
    }
}
