//! `campanile config fmt`: formats the configuration file in place.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use toml::de::DeTable;

use super::replace::replace;
use super::{layout, syntax};
use crate::config::{Config, Failure, Fault, Source};
use crate::diagnostics;
use crate::escape::Escaped;
use crate::exit::Exit;
use crate::log::LogFormat;
use crate::output::say;

#[derive(Debug, Args)]
pub(super) struct Fmt {
    /// The configuration file; - formats stdin to stdout
    ///
    /// Defaults to CAMPANILE_CONFIG, then ./campanile.toml, then /etc/campanile/campanile.toml.
    pub(super) file: Option<PathBuf>,

    /// Report a file that is not formatted, and write nothing
    #[arg(long)]
    check: bool,
}

pub(super) const HELP: &str = "\
Examples:
  campanile config fmt                         ./campanile.toml or /etc/campanile/campanile.toml
  campanile config fmt my.toml                 rewrite my.toml
  campanile config fmt --check my.toml         for scripts and CI
  my-template | campanile config fmt - > my.toml

Layout: no indentation, `key = value`, an empty line before each table, { key = value } in
inline tables, and arrays on one line of at most 100 columns or with one element per line.
Comments, strings and the order of keys and tables stay as they are. The file is replaced in one
step and keeps its owner and permissions.

Exits with 0 if the file is formatted, 78 if --check finds that it is not or if it is not TOML,
71 if it cannot be written.";

/// Formats a configuration file, or checks that it is formatted.
pub(super) fn fmt(options: &Fmt) -> Exit {
    let named = Source::named(options.file.as_deref());
    let source = match Source::read(named.as_deref()) {
        Ok(source) => source,
        Err(failure) => return diagnostics::failure(&failure, LogFormat::Text),
    };
    let Some(text) = toml(&source) else {
        return invalid(&source);
    };
    let Some(formatted) = format(text) else {
        return internal_error(&source);
    };
    let is_stdin = named.as_deref().is_some_and(|path| path == Path::new("-"));
    if options.check {
        return check(&source, text, &formatted);
    }
    if is_stdin {
        return say(io::stdout(), &formatted, Exit::Done);
    }
    if formatted == text {
        return Exit::Done;
    }
    // Without a name, the file is one of the defaults.
    let path = named.unwrap_or_else(|| PathBuf::from(source.name()));
    write(&path, &formatted)
}

/// Returns the text of a configuration that is TOML.
pub(crate) fn toml(source: &Source) -> Option<&str> {
    let text = std::str::from_utf8(source.bytes()).ok()?;
    DeTable::parse(text).ok().map(|_| text)
}

/// Reports a file that is not TOML, as `campanile check` does.
fn invalid(source: &Source) -> Exit {
    match Config::parse(source) {
        Err(failure) => diagnostics::failure(&failure, LogFormat::Text),
        Ok(_) => internal_error(source),
    }
}

/// Formats a text. Returns `None` if that would change more than the layout.
pub(crate) fn format(text: &str) -> Option<String> {
    layout::format(text).filter(|new| is_equivalent(text, new))
}

/// Returns `true` if a formatted text has the same values and comments as the original.
fn is_equivalent(text: &str, formatted: &str) -> bool {
    let essence = syntax::essence(text);
    DeTable::parse(formatted).is_ok() && essence.is_some() && essence == syntax::essence(formatted)
}

fn internal_error(source: &Source) -> Exit {
    let name = source.name();
    diagnostics::line(
        &format!(
            "{name} cannot be formatted: internal error; nothing was written, please report this"
        ),
        LogFormat::Text,
    );
    Exit::Fault
}

/// Reports the first line that is not formatted.
fn check(source: &Source, text: &str, formatted: &str) -> Exit {
    if text == formatted {
        return Exit::Done;
    }
    let pairs = text.split('\n').zip(formatted.split('\n'));
    let same = pairs.take_while(|(old, new)| old == new).count();
    let fault = Fault {
        file: source.name().to_owned(),
        at: (same + 1, 1),
        what: "not formatted".to_owned(),
        remedy: "run campanile config fmt".to_owned(),
    };
    let failure = Failure::Wrong {
        faults: vec![fault],
        warnings: Vec::new(),
    };
    diagnostics::failure(&failure, LogFormat::Text)
}

fn write(path: &Path, text: &str) -> Exit {
    let name = path.display();
    match replace(path, text) {
        Ok(()) => say(
            io::stdout(),
            &format!("formatted {}\n", Escaped(&name)),
            Exit::Done,
        ),
        Err(error) => {
            diagnostics::line(
                &format!("cannot write {name}: {error}; the file is unchanged"),
                LogFormat::Text,
            );
            Exit::Machine
        }
    }
}
