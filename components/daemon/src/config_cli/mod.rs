//! `campanile config`: commands on the configuration file itself.

mod fmt;
mod layout;
mod replace;
mod schema;
mod syntax;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::fmt::Fmt;
pub(crate) use self::fmt::{format, toml};
use crate::exit::Exit;

#[derive(Debug, Args)]
pub(crate) struct ConfigCommands {
    #[command(subcommand)]
    command: Command,
}

impl ConfigCommands {
    /// Returns the place of the name of the configuration, if the command reads it.
    pub(crate) fn file(&mut self) -> Option<&mut Option<PathBuf>> {
        match &mut self.command {
            Command::Fmt(fmt) => Some(&mut fmt.file),
            Command::Schema => None,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Format the configuration file; comments, quoting and order are kept
    #[command(after_help = fmt::HELP)]
    Fmt(Fmt),
    /// Print the JSON Schema of the configuration file
    #[command(after_help = schema::HELP)]
    Schema,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile config fmt                         format the configuration in place
  campanile config fmt --check my.toml         exit with 78 if my.toml is not formatted
  campanile config schema                      print the JSON Schema, for editors";

/// Runs the command.
pub(crate) fn run(options: &ConfigCommands) -> Exit {
    match &options.command {
        Command::Fmt(options) => fmt::fmt(options),
        Command::Schema => schema::schema(),
    }
}
