//! Commands for users to search, export and erase their entries: from a client's menu (XEP-0050) or
//! by chat message.

use std::fmt::Write as _;

use campanile::adhoc::{Command, Commands};
use campanile::error::BoxError;
use campanile::extract::State;
use campanile::form::{Definition, Field, Form};
use campanile::inbound::Inbound;
use campanile::router::Router;
use serde::Deserialize;

use crate::amount::amount;
use crate::archive::Archive;
use crate::erasure;
use crate::export;
use crate::help;
use crate::search;
use crate::store::{Backend, Query, Usage};

/// Maximum entries and bytes of one export reply; the next export continues after them. Longer
/// messages are unreadable on a phone.
const MAX_EXPORT_ENTRIES: usize = 50;
const MAX_EXPORT_BYTES: usize = 8_000;
/// Maximum bytes of one exported entry, in a reply of its own. Many clients show no longer
/// messages, and servers limit them.
const MAX_ENTRY_BYTES: usize = 32_000;
/// Maximum entries that are counted as left over.
const MAX_COUNT: u64 = 10_000;

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
    let after = Field::text("after")
        .label("Continue after this ID")
        .optional();
    let mut commands = Commands::new()
        .add(command(
            Command::new("search", "Search the archive", search::search).form(search::form()),
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
        let delete =
            Command::new("delete", "Erase my entries", erasure::delete).form(erasure::form());
        commands = commands.add(command(delete));
    }
    let list = format!("{}help", settings.command_prefix);
    Router::new()
        .chat_command(list.as_str(), help::help)
        .adhoc(commands)
}

#[derive(Deserialize)]
struct After {
    after: Option<String>,
}

async fn stats(inbound: Inbound, State(archive): State<Archive>) -> Result<String, BoxError> {
    let permissions = archive.permissions(&inbound)?;
    archive.settle().await;
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
    archive.settle().await;
    let all = own.clone();
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
        let line = export::json_within(entry, MAX_ENTRY_BYTES);
        if !text.is_empty() && text.len() + line.len() > MAX_EXPORT_BYTES {
            break;
        }
        let _ = writeln!(text, "{line}");
        last = Some(entry);
    }
    match last {
        None => Ok("There are no entries of yours.".to_owned()),
        Some(last) if page.more || Some(last) != page.entries.last() => {
            let after = Some(last.place);
            let rest =
                move |backend: &mut dyn Backend| backend.count(&Query { after, ..all }, MAX_COUNT);
            let left = match archive.read(&permissions.requester, rest).await? {
                None => "more entries".to_owned(),
                Some(1) => "1 more entry".to_owned(),
                Some(left) => format!("{left} more entries"),
            };
            let _ = write!(
                text,
                "There follow {left}. To continue: {}export {}",
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
