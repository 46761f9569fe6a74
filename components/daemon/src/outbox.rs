//! `campanile outbox`: undelivered messages and dead letters of the JSON bridge.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use campanile::error::BoxError;
use campanile_json_bridge::{Admin, Undelivered};
use campanile_logger::time;

use crate::cli::{Outbox, OutboxCommand};
use crate::config::{Config, Source};
use crate::diagnostics;
use crate::escape::Escaped;
use crate::exit::Exit;
use crate::log::LogFormat;
use crate::output::say;

/// Maximum number of entries shown.
const MOST: usize = 10_000;

/// Lists, replays or drops entries.
pub(crate) fn outbox(options: &Outbox, format: LogFormat) -> Exit {
    let config = match Source::read(options.config.as_deref())
        .and_then(|source| Config::parse_without_secrets(&source))
    {
        Ok(config) => config,
        Err(failure) => return diagnostics::failure(&failure, format),
    };
    let wanted = |jid: &str| {
        options
            .component
            .as_deref()
            .is_none_or(|wanted| wanted == jid)
    };
    let bridges = config
        .components
        .iter()
        .filter(|component| wanted(component.jid.as_str()));
    let paths: Vec<PathBuf> = bridges
        .filter_map(|component| component.bridge.as_ref()?.outbox.clone())
        .collect();
    if paths.is_empty() {
        diagnostics::line(
            "no JSON bridge with an outbox in the configuration, or none with this JID",
            format,
        );
        return Exit::Config;
    }
    let mut text = String::new();
    let mut found = 0;
    for path in paths {
        match one(&path, &options.what) {
            Ok((more, count)) => {
                text.push_str(&more);
                found += count;
            }
            Err(error) => {
                diagnostics::line(&format!("{}: {error}", path.display()), format);
                return Exit::Machine;
            }
        }
    }
    if let (0, Some(number)) = (found, options.what.number()) {
        let text = format!("no dead letter has the number {number}; see `campanile outbox list`");
        diagnostics::line(&text, format);
        return Exit::Usage;
    }
    say(io::stdout(), &text, Exit::Done)
}

impl OutboxCommand {
    /// Returns the number of the only dead letter to replay or drop.
    fn number(&self) -> Option<i64> {
        match self {
            Self::List { .. } => None,
            Self::Replay(which) | Self::Drop(which) => which.number.filter(|_| !which.all),
        }
    }
}

/// Returns the output for one outbox, and the number of entries.
fn one(path: &std::path::Path, what: &OutboxCommand) -> Result<(String, usize), BoxError> {
    let admin = Admin::open(path)?;
    Ok(match what {
        OutboxCommand::List { json } => {
            let entries = admin.list(MOST)?;
            let text = if *json {
                entries.iter().map(as_json).collect()
            } else {
                table(&entries)
            };
            (text, entries.len())
        }
        OutboxCommand::Replay(_) => {
            let count = admin.replay(what.number())?;
            (format!("{count} scheduled for retry\n"), count)
        }
        OutboxCommand::Drop(_) => {
            let count = admin.drop(what.number())?;
            (format!("{count} dropped\n"), count)
        }
    })
}

fn table(entries: &[Undelivered]) -> String {
    let mut text = String::new();
    for entry in entries {
        let Undelivered {
            seq, bot, peer, id, ..
        } = entry;
        let state = if entry.dead { "dead" } else { "waiting" };
        let why = entry.why.as_deref().unwrap_or_default();
        let time = |millis: i64| time::format(millis.saturating_mul(1000));
        let next = entry.next_attempt.map_or_else(|| "-".to_owned(), time);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{seq}\t{state}\t{}\t{}\t{}\treceived {}\tattempts {}\tnext {next}\t{}",
            Escaped(bot),
            Escaped(peer),
            Escaped(id),
            time(entry.received),
            entry.attempts,
            Escaped(why)
        );
    }
    if text.is_empty() {
        "no undelivered messages\n".to_owned()
    } else {
        text
    }
}

fn as_json(entry: &Undelivered) -> String {
    format!("{}\n", entry.to_json())
}
