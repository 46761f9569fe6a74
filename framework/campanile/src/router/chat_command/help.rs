//! The built-in `!help` command.

use std::collections::BTreeMap;

use jid::Jid;

use super::ChatCommand;
use crate::extract::{CommandArguments, Placeholders};
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;
use crate::layer::AccessLayer;
use crate::reply::IntoReply;
use crate::router::route::{Endpoint, Route};
use crate::router::{Entry, Filter, RecipientPattern};

/// Returns a help command for each combination of recipient pattern and command prefix, except
/// where the application defines its own.
pub(in crate::router) fn help<'a>(
    commands: impl Iterator<Item = Option<Candidate<'a>>>,
) -> Vec<(Filter, Route)> {
    let commands: Vec<_> = commands.flatten().collect();
    let mut lists = BTreeMap::new();
    for Candidate {
        recipient, command, ..
    } in &commands
    {
        lists
            .entry((*recipient, command.sign()))
            .or_insert_with(|| List::new(&commands, recipient, command.sign()));
    }
    lists
        .into_iter()
        .filter_map(|((recipient, sign), list)| list?.route(recipient, sign))
        .collect()
}

/// A registered command.
pub(in crate::router) struct Candidate<'a> {
    recipient: &'a RecipientPattern,
    command: &'a ChatCommand,
    hidden: bool,
    access: &'a [AccessLayer],
}

impl<'a> Candidate<'a> {
    /// Returns `None` if the route is not one of a command.
    pub(in crate::router) fn new<S>(entry: &'a Entry<S>) -> Option<Self> {
        Some(Self {
            recipient: &entry.filter.recipient,
            command: entry.filter.command.as_ref()?,
            hidden: entry.hidden,
            access: &entry.access,
        })
    }
}

/// The commands that one help command lists.
struct List(Vec<Listed>);

struct Listed {
    command: ChatCommand,
    access: Vec<AccessLayer>,
}

impl List {
    /// Collects the commands that are available here. Returns `None` if a command named `help`
    /// exists.
    fn new(commands: &[Candidate<'_>], recipient: &RecipientPattern, sign: &str) -> Option<Self> {
        let here = |known: &&Candidate<'_>| {
            recipient.is_within(known.recipient) && known.command.sign() == sign
        };
        let own = format!("{sign}help");
        if commands
            .iter()
            .filter(here)
            .any(|known| *known.command.words == *own)
        {
            return None;
        }
        let shown = commands.iter().filter(here).filter(|known| !known.hidden);
        let listed = shown.map(|known| Listed {
            command: known.command.clone(),
            access: known.access.to_vec(),
        });
        let mut listed: Vec<_> = listed.collect();
        listed.sort_by(|one, other| one.command.words.cmp(&other.command.words));
        Some(Self(listed))
    }

    fn route(self, recipient: &RecipientPattern, sign: &str) -> Option<(Filter, Route)> {
        let command: ChatCommand = format!("{sign}help {{command?}}").parse().ok()?;
        let filter = Filter::conversation()
            .chat_command(command)
            .to(recipient.clone());
        Some((filter, Route::from_endpoint(self)))
    }

    fn text(&self, asked: Option<&str>, asker: &Jid) -> String {
        let mut allowed: Vec<&ChatCommand> = Vec::new();
        let permitted = |listed: &&Listed| listed.access.iter().all(|rule| rule.allows(asker));
        for Listed { command, .. } in self.0.iter().filter(permitted) {
            // The same command may be registered for several kinds or for a wider pattern.
            if !allowed.contains(&command) {
                allowed.push(command);
            }
        }
        let asked = asked.map(str::to_lowercase);
        let fits = |command: &&&ChatCommand| {
            asked.as_deref().is_some_and(|asked| {
                asked == &*command.words || asked == &command.words[command.sign().len()..]
            })
        };
        if let Some(command) = allowed.iter().find(fits) {
            return format!("Usage: {}", line(command));
        }
        let lines = allowed.iter().map(|command| format!("\n{}", line(command)));
        format!("Commands:{}", lines.collect::<String>())
    }
}

fn line(command: &ChatCommand) -> String {
    let help = command.help.as_deref().map(|line| format!(" – {line}"));
    command.usage() + &help.unwrap_or_default()
}

impl Endpoint for List {
    fn call(&self, inbound: Inbound) -> ReplyFuture {
        let arguments = inbound
            .extensions()
            .get()
            .and_then(|CommandArguments(found)| found.as_ref().ok());
        let asked: Option<String> = arguments
            .and_then(|found: &Placeholders| found.to().ok())
            .flatten();
        let text = self.text(asked.as_deref(), inbound.sender());
        ReplyFuture::ready(text.into_reply())
    }
}
