//! The command by which users search the archive.

use std::fmt::Write as _;

use campanile::error::BoxError;
use campanile::extract::State;
use campanile::form::{Definition, Field, Form};
use campanile::inbound::Inbound;
use serde::Deserialize;

use crate::archive::Archive;
use crate::store::{Backend, Entry, Page, Query, now};
use crate::{time, xml};

/// Maximum number of entries in a reply.
const MAX_RESULTS: usize = 20;
/// Maximum characters of a body in a reply.
const MAX_BODY_CHARS: usize = 300;
/// Maximum characters of the words that a reply repeats.
const MAX_WORDS_CHARS: usize = 100;
/// The last word of a chat message that asks for older entries begins with this.
const BEFORE: &str = "before:";

/// Returns the form of the command.
///
/// The words are optional, so that a chat message without any is answered with an example.
pub(crate) fn form() -> Definition {
    let before = Field::text("before").label("Only entries before this ID");
    Definition::new()
        .title("Search")
        .field(Field::text("words").label("Words to search for").optional())
        .field(before.optional())
}

/// The words of a search, and where it continues.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Wish {
    words: Option<String>,
    before: Option<String>,
}

impl Wish {
    /// Reads the text after the command in a chat message, as typed: the parsed arguments have
    /// lost the quotation marks that delimit a phrase.
    fn typed(inbound: &Inbound) -> Option<Self> {
        let body = inbound.stanza().children().find("jabber:client", "body")?;
        let body = body.text();
        let (_, words) = body.trim().split_once(char::is_whitespace)?;
        Some(Self::parse(words))
    }

    fn parse(text: &str) -> Self {
        let text = text.trim();
        let start = text.rfind(char::is_whitespace).map_or(0, |end| {
            end + text[end..].chars().next().map_or(0, char::len_utf8)
        });
        let (words, last) = text.split_at(start);
        match last.strip_prefix(BEFORE) {
            Some(id) if !id.is_empty() => Self {
                words: Some(words.trim().to_owned()),
                before: Some(id.to_owned()),
            },
            _ => Self {
                words: Some(text.to_owned()),
                before: None,
            },
        }
    }
}

/// Replies with the newest entries that have these words.
pub(crate) async fn search(
    Form(submitted): Form<Wish>,
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<String, BoxError> {
    let permissions = archive.permissions(&inbound)?;
    let Wish { words, before } = Wish::typed(&inbound).unwrap_or(submitted);
    let words = words.unwrap_or_default();
    let prefix = &archive.settings.command_prefix;
    if words.trim().is_empty() {
        return Ok(format!(
            "What shall I look for? For example: {prefix}search bell"
        ));
    }
    let query = Query {
        words: words.clone(),
        from_end: true,
        limit: MAX_RESULTS,
        ..Archive::query(&inbound, &permissions)
    };
    let asked = query.clone();
    archive.settle().await;
    let job = move |backend: &mut dyn Backend| {
        let before = before
            .filter(|id| !id.is_empty())
            .map(|id| backend.place(&query, &id))
            .transpose()?;
        backend.page(&Query { before, ..query })
    };
    let page = archive.read(&permissions.requester, job).await?;
    archive.log_search(&permissions, &asked, page.entries.len());
    Ok(reply(&page, &words, prefix))
}

fn reply(page: &Page, words: &str, prefix: &str) -> String {
    let Some(oldest) = page.entries.first() else {
        return format!("Nothing found for {}.", quoted(words));
    };
    let now = now();
    let mut text = String::new();
    for entry in &page.entries {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{} {}: {}",
            time::short(entry.place, now),
            entry.from,
            body(entry)
        );
    }
    if page.more {
        let _ = write!(
            text,
            "There are older ones: {prefix}search {words} {BEFORE}{}",
            oldest.id
        );
    }
    text.trim_end().to_owned()
}

/// Returns words in quotation marks, unless they are a phrase that has its own.
fn quoted(words: &str) -> String {
    let words: String = words.trim().chars().take(MAX_WORDS_CHARS).collect();
    if words.contains('"') {
        words
    } else {
        format!("\"{words}\"")
    }
}

/// Returns the beginning of the text of an entry, on one line.
fn body(entry: &Entry) -> String {
    let stanza = entry
        .stanza
        .as_ref()
        .and_then(|stanza| xml::stanza(stanza.as_bytes()));
    let body = stanza.and_then(|stanza| {
        let body = stanza.children().find("jabber:client", "body")?;
        Some(body.text().into_owned())
    });
    let body: String = body
        .unwrap_or_else(|| "(no text)".to_owned())
        .chars()
        .take(MAX_BODY_CHARS)
        .collect();
    body.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wish_is_read_as_typed() {
        let rows = [
            ("bell", "bell", None),
            (" \"ring the  bell\" now ", "\"ring the  bell\" now", None),
            ("bell before:00ff", "bell", Some("00ff")),
            ("ring bell\u{3000}before:00ff", "ring bell", Some("00ff")),
            ("before:00ff", "", Some("00ff")),
            ("before:00ff bell", "before:00ff bell", None),
            ("bell before:", "bell before:", None),
        ];
        for (text, words, before) in rows {
            let wanted = Wish {
                words: Some(words.to_owned()),
                before: before.map(str::to_owned),
            };
            assert_eq!(Wish::parse(text), wanted, "{text:?}");
        }
    }
}
