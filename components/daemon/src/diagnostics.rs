//! What keeps the process from doing its work, said on stderr: for people, or as log events for
//! machines.

use std::error::Error;
use std::fmt::Write as _;
use std::io;

use crate::cli::LogFormat;
use crate::config::{Failure, Fault};
use crate::escape::Escaped;
use crate::exit::Exit;
use crate::say;

/// Why there is no configuration, and the exit code for that.
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

/// One thing that is wrong, beside the configuration.
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

/// What every component was refused for. The words may have several lines: snippets of a server's
/// configuration.
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

/// Words of several lines, each escaped on its own: only line breaks of ours are left.
pub(crate) fn lines(words: &str) -> String {
    words
        .lines()
        .map(|line| Escaped(line).to_string())
        .collect::<Vec<_>>()
        .join("\n")
}

/// A warning as a log event.
pub(crate) fn warn(warning: &Fault) {
    let Fault {
        file,
        at: (line, column),
        what,
        remedy,
    } = warning;
    tracing::warn!(file, line, column, remedy, "{what}");
}

/// Faults with their places and remedies, for people.
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
        let _ = writeln!(text, "    {}", Escaped(remedy));
        text
    })
}

/// An error and what is behind it, in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let behind = std::iter::successors(Some(error), |error| (*error).source());
    behind
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
