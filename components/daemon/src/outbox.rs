//! `campanile outbox`: undelivered messages and dead letters of the JSON bridge.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use campanile::error::BoxError;
use campanile_json_bridge::{Admin, Undelivered};

use crate::cli::{Outbox, OutboxCommand, Which};
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
    let config =
        match Source::read(options.config.as_deref()).and_then(|source| Config::parse(&source)) {
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
    for path in paths {
        match one(&path, &options.what) {
            Ok(more) => text.push_str(&more),
            Err(error) => {
                diagnostics::line(&format!("{}: {error}", path.display()), format);
                return Exit::Machine;
            }
        }
    }
    say(io::stdout(), &text, Exit::Done)
}

fn one(path: &std::path::Path, what: &OutboxCommand) -> Result<String, BoxError> {
    let admin = Admin::open(path)?;
    let number = |which: &Which| which.number.filter(|_| !which.all);
    Ok(match what {
        OutboxCommand::List { json: true } => admin.list(MOST)?.iter().map(as_json).collect(),
        OutboxCommand::List { json: false } => table(&admin.list(MOST)?),
        OutboxCommand::Replay(which) => {
            format!("{} scheduled for retry\n", admin.replay(number(which))?)
        }
        OutboxCommand::Drop(which) => format!("{} dropped\n", admin.drop(number(which))?),
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
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{seq}\t{state}\t{}\t{}\t{}\t{}",
            Escaped(bot),
            Escaped(peer),
            Escaped(id),
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
