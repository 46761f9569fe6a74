//! What people may do with what is kept of them: from a menu of their client (XEP-0050), or by a
//! word in a chat.

use std::fmt::Write as _;
use std::time::Duration;

use campanile::adhoc::{Command, Commands};
use campanile::error::BoxError;
use campanile::extract::State;
use campanile::form::{Definition, Field, Form};
use campanile::inbound::Inbound;
use campanile::router::Router;
use serde::Deserialize;

use crate::archive::Archive;
use crate::export;
use crate::store::{Query, Usage};
use crate::xml;

/// Entries that a search shows.
const MAX_RESULTS: usize = 20;
/// Entries and bytes that one export gives; the next one goes on behind them.
const MAX_EXPORT_ENTRIES: usize = 500;
const MAX_EXPORT_BYTES: usize = 200_000;
/// Of a body, in characters.
const MAX_BODY_CHARS: usize = 300;

/// All commands, for those who may write here.
pub(crate) fn routes(archive: &Archive) -> Router<Archive> {
    let settings = &archive.settings;
    let access = settings
        .admins
        .iter()
        .fold(settings.users.clone(), |access, admin| {
            if access.is_open() {
                access
            } else {
                access.allow(admin.clone().into())
            }
        });
    let command = |command: Command<Archive>| command.access(access.clone());
    let words = Definition::new()
        .title("Search")
        .field(Field::text("words").label("Words").required());
    let after = Field::text("after").label("Behind this id").optional();
    let sure = Definition::new()
        .title("Erase")
        .instructions("Everything that you sent or received is erased for good.");
    let sure = sure.field(
        Field::choice("what")
            .label("What")
            .option("mine", "All of mine")
            .required(),
    );
    let commands = Commands::new()
        .add(command(
            Command::new("search", "Search the archive", search).form(words),
        ))
        .add(command(Command::new("stats", "How much is kept", stats)))
        .add(command(
            Command::new("export", "Export what is mine", export)
                .form(Definition::new().title("Export").field(after)),
        ))
        .add(command(Command::new("stop", "Stop logging me", stop)))
        .add(command(Command::new("resume", "Log me again", resume)))
        .add(command(
            Command::new("delete", "Erase what is mine", delete).form(sure),
        ))
        .chat(settings.command_prefix.clone());
    Router::new().adhoc(commands)
}

#[derive(Deserialize)]
struct Words {
    words: String,
}

#[derive(Deserialize)]
struct After {
    after: Option<String>,
}

async fn search(
    Form(Words { words }): Form<Words>,
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<String, BoxError> {
    let permissions = archive.permissions(&inbound)?;
    let words = as_written(&inbound).unwrap_or(words);
    let query = Query {
        words,
        from_end: true,
        limit: MAX_RESULTS,
        ..Archive::query(&inbound, &permissions)
    };
    let page = archive
        .store
        .read(move |backend| backend.page(&query))
        .await
        .map_err(|error| error.to_box())?;
    if page.entries.is_empty() {
        return Ok("Nothing is found.".to_owned());
    }
    let mut text = String::new();
    for entry in &page.entries {
        let stanza = entry
            .stanza
            .as_ref()
            .and_then(|stanza| xml::stanza(stanza.as_bytes()));
        let body = stanza.and_then(|stanza| {
            stanza
                .children()
                .find("jabber:client", "body")
                .map(|body| body.text().into_owned())
        });
        let body: String = body
            .unwrap_or_else(|| "(no text)".to_owned())
            .chars()
            .take(MAX_BODY_CHARS)
            .collect();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{} {}: {}",
            crate::time::format(entry.place),
            entry.from,
            body.replace(char::is_control, " ")
        );
    }
    if page.more {
        text.push_str("There is more, older than these.");
    }
    Ok(text.trim_end().to_owned())
}

/// What stands behind the command in a chat: an argument comes without the quotation marks that
/// make a phrase of it.
fn as_written(inbound: &Inbound) -> Option<String> {
    let body = inbound.stanza().children().find("jabber:client", "body")?;
    body.text()
        .trim()
        .split_once(char::is_whitespace)
        .map(|(_, words)| words.to_owned())
}

async fn stats(inbound: Inbound, State(archive): State<Archive>) -> Result<String, BoxError> {
    let permissions = archive.permissions(&inbound)?;
    let owner = permissions.owner();
    let read = archive
        .store
        .read(move |backend| backend.usage(owner.as_ref().map(|owner| owner.as_str())));
    let Usage {
        entries,
        bytes,
        senders,
        ..
    } = read.await.map_err(|error| error.to_box())?;
    let mut text = format!("{entries} entries, {bytes} bytes.");
    if archive.is_opted_out(inbound.sender()) {
        text.push_str(" You have stopped being logged.");
    }
    for (sender, entries, bytes) in senders {
        let _ = write!(text, "\n{sender}: {entries} entries, {bytes} bytes");
    }
    Ok(text)
}

/// One JSON object per line, as `campanile archive export` writes it.
async fn export(
    Form(After { after }): Form<After>,
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<String, BoxError> {
    let permissions = archive.permissions(&inbound)?;
    let own = Query {
        owner: Some(permissions.requester.clone()),
        limit: MAX_EXPORT_ENTRIES,
        ..Archive::query(&inbound, &permissions)
    };
    let job = move |backend: &mut dyn crate::store::Backend| {
        let after = after
            .filter(|id| !id.is_empty())
            .map(|id| backend.place(&own, &id))
            .transpose()?;
        backend.page(&Query { after, ..own })
    };
    let page = archive
        .store
        .read(job)
        .await
        .map_err(|error| error.to_box())?;
    let mut text = String::new();
    let mut last = None;
    for entry in &page.entries {
        let line = export::json(entry);
        if !text.is_empty() && text.len() + line.len() > MAX_EXPORT_BYTES {
            break;
        }
        let _ = writeln!(text, "{line}");
        last = Some(entry);
    }
    match last {
        None => Ok("There is nothing of yours.".to_owned()),
        Some(last) if page.more || Some(last) != page.entries.last() => {
            let _ = write!(
                text,
                "There is more: {}export {}",
                archive.settings.command_prefix, last.id
            );
            Ok(text)
        }
        Some(_) => Ok(text.trim_end().to_owned()),
    }
}

async fn stop(inbound: Inbound, State(archive): State<Archive>) -> Result<&'static str, BoxError> {
    let permissions = archive.permissions(&inbound)?;
    archive
        .set_opted_out(&permissions.requester, true)
        .await
        .map_err(|error| error.to_box())?;
    Ok("From now on nothing that you write is kept. What is there stays, until you erase it.")
}

async fn resume(
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<&'static str, BoxError> {
    let permissions = archive.permissions(&inbound)?;
    archive
        .set_opted_out(&permissions.requester, false)
        .await
        .map_err(|error| error.to_box())?;
    Ok("From now on what you write is kept.")
}

/// How long a person waits for the end; it goes on behind that.
const REPLY_TIMEOUT: Duration = Duration::from_secs(20);

async fn delete(inbound: Inbound, State(archive): State<Archive>) -> Result<String, BoxError> {
    let permissions = archive.permissions(&inbound)?;
    // A task of its own: what was begun is finished, whoever waits.
    let erasing =
        tokio::spawn(async move { archive.store.erase(permissions.requester.as_str()).await });
    match tokio::time::timeout(REPLY_TIMEOUT, erasing).await {
        Err(_) => Ok(
            "It is a lot, and it takes its time. Ask for stats to see how much is left.".to_owned(),
        ),
        Ok(erased) => {
            let erased = erased?.map_err(|error| error.to_box())?;
            Ok(format!("{erased} entries are erased."))
        }
    }
}
