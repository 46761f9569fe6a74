//! The command by which users erase their entries, after a confirmation.

use std::time::Duration;

use campanile::error::{BoxError, Condition};
use campanile::extract::State;
use campanile::form::{Definition, Field, Form};
use campanile::inbound::Inbound;
use campanile::jid::BareJid;
use serde::Deserialize;

use crate::amount::amount;
use crate::archive::Archive;
use crate::confirmation;
use crate::keys::Keys;

/// Returns the form of the command.
pub(crate) fn form() -> Definition {
    let instructions = "Permanently erases everything that you sent or received. The first reply \
        shows how much that is, and a word; submit the form again with that word.";
    // Optional, so that a chat message without it is answered with what would be erased.
    let what = Field::choice("what")
        .label("Entries to erase")
        .option("mine", "All my entries")
        .value("mine")
        .optional();
    let word = Field::text("word").label("Word from the first reply");
    Definition::new()
        .title("Erase my entries")
        .instructions(instructions)
        .field(what)
        .field(word.optional())
}

#[derive(Deserialize)]
pub(crate) struct Erasure {
    word: Option<String>,
}

/// The time after which a user gets a reply while the erasure continues in the background.
const REPLY_TIMEOUT: Duration = Duration::from_secs(20);

/// Erases the entries of a user who has confirmed it with the word of an earlier reply.
pub(crate) async fn delete(
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
