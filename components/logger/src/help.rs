//! The list of chat commands, and hints for messages that look like one.

use campanile::error::BoxError;
use campanile::extract::State;
use campanile::inbound::Inbound;
use campanile::stanza::{Kind, MessageType, Stanza};

use crate::Settings;
use crate::archive::Archive;

/// Name, arguments and effect of each command.
const COMMANDS: [(&str, &str, &str); 7] = [
    (
        "search",
        " bell",
        "shows the newest entries with these words",
    ),
    ("stats", "", "shows how much is stored"),
    ("export", "", "returns your entries as JSON lines"),
    ("stop", "", "stops archiving what you write"),
    ("resume", "", "archives again what you write"),
    (
        "delete",
        " mine",
        "erases everything that you sent or received",
    ),
    ("help", "", "shows this list"),
];

/// Returns `true` if the settings offer a command.
fn is_offered(settings: &Settings, name: &str) -> bool {
    match name {
        "stop" | "resume" => settings.allow_opt_out,
        "delete" => settings.allow_erasure,
        _ => true,
    }
}

/// Replies with the list of commands.
pub(crate) async fn help(
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<String, BoxError> {
    archive.permissions(&inbound)?;
    let prefix = &archive.settings.command_prefix;
    let line = |(name, arguments, effect): &(&str, &str, &str)| {
        format!("\n{prefix}{name}{arguments}: {effect}")
    };
    let offered = COMMANDS
        .iter()
        .filter(|(name, ..)| is_offered(&archive.settings, name));
    let lines: String = offered.map(line).collect();
    Ok(format!(
        "Everything else that you write here is archived. Commands:{lines}"
    ))
}

/// Returns a hint for a message that begins like a command but is none.
///
/// The hint does not begin like a command: two archives must not answer each other.
pub(crate) fn hint(settings: &Settings, stanza: &Stanza) -> Option<String> {
    if !matches!(
        stanza.kind(),
        Kind::Message(MessageType::Chat | MessageType::Normal)
    ) {
        return None;
    }
    let prefix = &settings.command_prefix;
    let body = stanza.children().find("jabber:client", "body")?.text();
    let word = body.split_whitespace().next()?.strip_prefix(&**prefix)?;
    if word.is_empty() || !word.chars().all(char::is_alphanumeric) {
        return None;
    }
    let known = COMMANDS
        .iter()
        .any(|(name, ..)| name.eq_ignore_ascii_case(word));
    let word: String = word.chars().take(32).collect();
    Some(if known {
        format!("This archive does not offer {prefix}{word}.")
    } else {
        format!("There is no command {prefix}{word}; {prefix}help lists the commands.")
    })
}
