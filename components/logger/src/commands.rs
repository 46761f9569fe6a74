//! Commands for users to search, export and erase their entries: from a client's menu (XEP-0050) or
//! by chat message.

use std::fmt::Write as _;
use std::time::Duration;

use campanile::adhoc::{Command, Commands};
use campanile::error::{BoxError, Condition};
use campanile::extract::State;
use campanile::form::{Definition, Field, Form};
use campanile::inbound::Inbound;
use campanile::jid::BareJid;
use campanile::router::Router;
use serde::Deserialize;

use crate::archive::Archive;
use crate::confirmation;
use crate::export;
use crate::help;
use crate::keys::Keys;
use crate::store::{Backend, Query, Usage};
use crate::xml;

/// Maximum number of entries in a search reply.
const MAX_RESULTS: usize = 20;
/// Maximum entries and bytes of one export reply; the next export continues after them. Many
/// clients show no longer messages, and servers limit them.
const MAX_EXPORT_ENTRIES: usize = 200;
const MAX_EXPORT_BYTES: usize = 32_000;
/// Maximum characters of a body in a search reply.
const MAX_BODY_CHARS: usize = 300;

/// All commands, for users with write access.
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
        .field(Field::text("words").label("Words to search for").required());
    let after = Field::text("after")
        .label("Continue after this ID")
        .optional();
    let mut commands = Commands::new()
        .add(command(
            Command::new("search", "Search the archive", search).form(words),
        ))
        .add(command(Command::new(
            "stats",
            "Show how much is archived",
            stats,
        )))
        .add(command(
            Command::new("export", "Export my entries", export)
                .form(Definition::new().title("Export my entries").field(after)),
        ))
        .chat(settings.command_prefix.clone());
    if settings.allow_opt_out {
        commands = commands
            .add(command(Command::new("stop", "Stop logging me", stop)))
            .add(command(Command::new("resume", "Resume logging me", resume)));
    }
    if settings.allow_erasure {
        let delete = Command::new("delete", "Erase my entries", delete).form(erasure());
        commands = commands.add(command(delete));
    }
    let list = format!("{}help", settings.command_prefix);
    Router::new()
        .chat_command(list.as_str(), help::help)
        .adhoc(commands)
}

fn erasure() -> Definition {
    let instructions = "Permanently erases everything that you sent or received. The first reply \
        shows how much that is, and a word; submit the form again with that word.";
    let what = Field::choice("what")
        .label("Entries to erase")
        .option("mine", "All my entries")
        .value("mine")
        .required();
    let word = Field::text("word").label("Word from the first reply");
    Definition::new()
        .title("Erase my entries")
        .instructions(instructions)
        .field(what)
        .field(word.optional())
}

#[derive(Deserialize)]
struct Words {
    words: String,
}

#[derive(Deserialize)]
struct Erasure {
    word: Option<String>,
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
    let asked = query.clone();
    let page = archive
        .read(&permissions.requester, move |backend| backend.page(&query))
        .await?;
    archive.log_search(&permissions, &asked, page.entries.len());
    if page.entries.is_empty() {
        return Ok("Nothing found.".to_owned());
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
        text.push_str("There are older matches. Add words to narrow the search.");
    }
    Ok(text.trim_end().to_owned())
}

/// The text after the command in a chat message, as typed: the parsed argument has lost the
/// quotation marks that delimit a phrase.
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
    let job =
        move |backend: &mut dyn Backend| backend.usage(owner.as_ref().map(|owner| owner.as_str()));
    let Usage {
        entries,
        bytes,
        senders,
        ..
    } = archive.read(&permissions.requester, job).await?;
    let mut text = format!("{}.", amount(entries, bytes));
    if archive.is_opted_out(inbound.sender()) {
        text.push_str(" You have opted out: your messages are not archived.");
    }
    for (sender, entries, bytes) in senders {
        let _ = write!(text, "\n{sender}: {}", amount(entries, bytes));
    }
    Ok(text)
}

/// A number of entries and their size, for people.
fn amount(entries: u64, bytes: u64) -> String {
    let entries = match entries {
        1 => "1 entry".to_owned(),
        entries => format!("{entries} entries"),
    };
    let size = match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    };
    format!("{entries}, {size}")
}

/// Replies with one JSON object per line, in the format of `campanile archive export`.
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
    let job = move |backend: &mut dyn Backend| {
        let after = after
            .filter(|id| !id.is_empty())
            .map(|id| backend.place(&own, &id))
            .transpose()?;
        backend.page(&Query { after, ..own })
    };
    let page = archive.read(&permissions.requester, job).await?;
    let mut text = String::new();
    let mut last = None;
    for entry in &page.entries {
        let line = export::json_within(entry, MAX_EXPORT_BYTES);
        if !text.is_empty() && text.len() + line.len() > MAX_EXPORT_BYTES {
            break;
        }
        let _ = writeln!(text, "{line}");
        last = Some(entry);
    }
    match last {
        None => Ok("There are no entries of yours.".to_owned()),
        Some(last) if page.more || Some(last) != page.entries.last() => {
            let _ = write!(
                text,
                "There are more entries. To continue: {}export {}",
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
    Ok(
        "Logging stopped: what you write is no longer archived. Earlier entries stay until you \
        erase them.",
    )
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
    Ok("Logging resumed: what you write is archived again.")
}

/// The time after which a user gets a reply while the erasure continues in the background.
const REPLY_TIMEOUT: Duration = Duration::from_secs(20);

async fn delete(
    Form(Erasure { word }): Form<Erasure>,
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<String, BoxError> {
    let permissions = archive.permissions(&inbound)?;
    let keys = archive.keys().ok_or(Condition::ResourceConstraint)?;
    let word = word.unwrap_or_default();
    if !confirmation::is_valid(&keys, &permissions.requester, word.trim()) {
        return how_to_confirm(&archive, &permissions.requester, &keys, &word).await;
    }
    // A task of its own, so that the erasure completes even if this handler is canceled.
    let erasing =
        tokio::spawn(async move { archive.store.erase(permissions.requester.as_str()).await });
    match tokio::time::timeout(REPLY_TIMEOUT, erasing).await {
        Err(_) => Ok(
            "Erasing takes a while and continues in the background. Send stats to see how much is \
            left."
                .to_owned(),
        ),
        Ok(erased) => {
            let erased = erased?.map_err(|error| error.to_box())?;
            Ok(match erased {
                1 => "Erased 1 entry.".to_owned(),
                erased => format!("Erased {erased} entries."),
            })
        }
    }
}

/// Replies with what would be erased, and with the word that confirms it.
async fn how_to_confirm(
    archive: &Archive,
    user: &BareJid,
    keys: &Keys,
    given: &str,
) -> Result<String, BoxError> {
    let owner = user.to_string();
    let usage = archive
        .read(user, move |backend| backend.usage(Some(&owner)))
        .await?;
    if usage.entries == 0 {
        return Ok("There are no entries of yours.".to_owned());
    }
    let expired = if given.trim().is_empty() {
        ""
    } else {
        "This word is wrong or has expired. "
    };
    Ok(format!(
        "{expired}This permanently erases {}: everything that you sent or received here. To \
        confirm, send within 5 minutes: {}delete mine {}",
        amount(usage.entries, usage.bytes),
        archive.settings.command_prefix,
        confirmation::word(keys, user)
    ))
}
