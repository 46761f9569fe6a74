//! The `campanile` daemon: ready-made components for XMPP servers, in one process.
//!
//! A program with your own [modules](campanile::module) besides the built-in ones takes one line:
//!
//! ```no_run
//! use std::process::ExitCode;
//! # use std::sync::Arc;
//! # use campanile::{error::BoxError, module::Module, router::Router};
//! # #[derive(serde::Deserialize)] struct Settings {}
//! # struct Guestbook;
//! # impl Guestbook {
//! #     fn new(_: Settings) -> Result<Self, BoxError> { Ok(Self) }
//! # }
//! # impl Module for Guestbook {
//! #     fn name(&self) -> &'static str { "guestbook" }
//! #     fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> { Ok(router) }
//! # }
//!
//! use campanile::module::Catalog;
//!
//! fn main() -> ExitCode {
//!     campanile_daemon::main(Catalog::new().register("guestbook", Guestbook::new))
//! }
//! ```
//!
//! A table with the module's name enables it: `[component.guestbook]` below a `[[component]]`, with
//! its settings as keys. Everything else works as in `campanile`: the commands, the configuration,
//! and faults reported with file, line and column.

mod admin;
mod archive_cli;
mod build;
mod builtin_modules;
mod check;
mod cli;
mod config;
mod config_cli;
mod demo;
mod diagnostics;
mod doctor;
mod escape;
mod exit;
#[doc(hidden)]
pub mod fuzzing;
mod init;
mod load;
mod log;
mod notify;
mod outbox;
mod output;
mod run;
mod runtime;
mod store;

use std::io;
use std::process::ExitCode;

use campanile::module::Catalog;
use clap::{CommandFactory, Parser};
use tracing::level_filters::LevelFilter;

use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::output::say;

/// Runs the daemon with these modules in addition to the built-in ones.
///
/// Parses the command line and returns the exit code. A table in the configuration enables a module
/// by its name, which must not be another key of `[[component]]`.
///
/// The constructor of a module also runs when a configuration is only checked: it must not open
/// files, ports or connections before the module is
/// [started](campanile::module::Module::start).
#[must_use]
pub fn main(modules: Catalog) -> ExitCode {
    builtin_modules::add(modules);
    let cli = match Cli::try_parse().and_then(Cli::with_config) {
        Ok(cli) => cli,
        Err(error) => return usage(&error).into(),
    };
    let level = match cli.command {
        // `check` prints its diagnostics itself; logging them too would show them twice.
        Command::Check(_) => LevelFilter::OFF,
        // The demo prints the conversation; log lines below WARN would only interrupt it.
        Command::Demo(_) => LevelFilter::WARN,
        _ => LevelFilter::INFO,
    };
    if let Err(why) = log::init(cli.log_format, level) {
        return say(io::stderr(), &format!("campanile: {why}\n"), Exit::Usage).into();
    }
    let exit = match cli.command {
        Command::Check(check) => check::check(&check),
        Command::Demo(options) => demo::demo(&options, cli.log_format),
        Command::Init(options) => init::init(&options),
        Command::Run(file) => run::run(&file, cli.log_format),
        Command::Config(options) => config_cli::run(&options),
        Command::Archive(options) => archive_cli::run(&options, cli.log_format),
        Command::Outbox(options) => outbox::outbox(&options, cli.log_format),
        Command::Completions { shell } => completions(shell),
        Command::Version => say(
            io::stdout(),
            &format!("campanile {}\n", env!("CARGO_PKG_VERSION")),
            Exit::Done,
        ),
    };
    exit.into()
}

/// Prints a message of the argument parser: help and version succeed, anything else is wrong usage.
fn usage(error: &clap::Error) -> Exit {
    let exit = if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Done
    };
    // Printing fails only when the terminal is gone.
    let _ = error.print();
    exit
}

fn completions(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "campanile", &mut script);
    say(io::stdout(), &String::from_utf8_lossy(&script), Exit::Done)
}
