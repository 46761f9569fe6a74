//! Fatal problems and configuration faults, written to stderr as text or as JSON log events.

use std::error::Error;
use std::fmt::Write as _;
use std::io;

use crate::config::{Failure, Fault};
use crate::escape::Escaped;
use crate::exit::Exit;
use crate::log::LogFormat;
use crate::output::say;

/// Reports a configuration that could not be loaded, and returns the exit code.
pub(crate) fn failure(failure: &Failure, format: LogFormat) -> Exit {
    match failure {
        Failure::Unread { exit, text } => {
            line(text, format);
            *exit
        }
        Failure::Wrong { faults, warnings } => {
            match format {
                LogFormat::Text => {
                    let count = match faults.len() {
                        1 => "1 fault".to_owned(),
                        many => format!("{many} faults"),
                    };
                    say(
                        io::stderr(),
                        &format!(
                            "{}{}{count}\n",
                            list(warnings, "warning: "),
                            list(faults, "")
                        ),
                        Exit::Done,
                    );
                }
                LogFormat::Json => {
                    warnings.iter().for_each(warn);
                    for Fault {
                        file,
                        at: (line, column),
                        what,
                        remedy,
                    } in faults
                    {
                        tracing::error!(file, line, column, remedy, "{what}");
                    }
                }
            }
            Exit::Config
        }
    }
}

/// Reports one problem outside the configuration.
pub(crate) fn line(text: &str, format: LogFormat) {
    match format {
        LogFormat::Text => {
            say(
                io::stderr(),
                &format!("campanile: {}\n", Escaped(text)),
                Exit::Done,
            );
        }
        LogFormat::Json => tracing::error!("{text}"),
    }
}

/// Reports the reason for each refused component.
///
/// A reason may have several lines, such as snippets for the server's configuration.
pub(crate) fn refusals(refusals: &[(String, String)], format: LogFormat) {
    let said = "every component is refused by its server, and none was ever mounted";
    if format == LogFormat::Json {
        return tracing::error!(components = refusals.len(), "{said}");
    }
    let mut text = format!("campanile: {said}\n");
    for (jid, why) in refusals {
        let _ = writeln!(text, "  {jid}: {}", lines(why));
    }
    say(io::stderr(), &text, Exit::Done);
}

/// Escapes a text line by line, so that its own line breaks are kept.
pub(crate) fn lines(text: &str) -> String {
    text.lines()
        .map(|line| Escaped(line).to_string())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Logs a warning about the configuration.
pub(crate) fn warn(warning: &Fault) {
    let Fault {
        file,
        at: (line, column),
        what,
        remedy,
    } = warning;
    tracing::warn!(file, line, column, remedy, "{what}");
}

/// Formats faults as `file:line:column: problem` with the remedy on a line of its own.
pub(crate) fn list(faults: &[Fault], mark: &str) -> String {
    faults.iter().fold(String::new(), |mut text, fault| {
        let Fault {
            file,
            at: (line, column),
            what,
            remedy,
        } = fault;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{}:{line}:{column}: {mark}{}",
            Escaped(file),
            Escaped(what)
        );
        let _ = writeln!(text, "    help: {}", Escaped(remedy));
        text
    })
}

/// Formats an error and its sources in one line, separated by colons.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let sources = std::iter::successors(Some(error), |error| (*error).source());
    sources
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
