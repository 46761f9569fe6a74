//! XML from clients: exactly one stanza, parsed by the stream reader and serialized again.

use campanile::stanza::{Children, Kind, Stanza};
use campanile_stanza::reader::{ElementError, ReaderLimits};

use super::fault::Fault;

/// Parses a text that consists of one stanza in `jabber:client`, declared or by default.
///
/// The result is serialized from the parsed tree, so it contains only what the library's writer
/// accepts, and no part of the original text.
///
/// # Errors
/// Returns a [`Fault`] if the text is not exactly one well-formed stanza, or contains something
/// that the writer rejects.
pub fn stanza(text: &str) -> Result<Stanza, Fault> {
    let read = read(text)?;
    // The reader drops invalid addresses of a stanza. Parsed as a child element, the stanza keeps
    // its attributes, so that they can be compared.
    let within = self::read(&format!("<message>{}</message>", text.trim()))?;
    for (key, parsed) in [("from", read.from()), ("to", read.to())] {
        let written = within
            .children()
            .first()
            .and_then(|child| child.attribute(key).map(|value| value.into_owned()));
        if let (Some(written), None) = (written, parsed) {
            return Err(Fault::field(key, format!("invalid JID: {written:?}")));
        }
    }
    rewritten(&read)
}

/// Parses a text that consists of one stanza.
fn read(text: &str) -> Result<Stanza, Fault> {
    let limits = ReaderLimits {
        // The request body has a limit of its own.
        max_stanza: text.len().saturating_add(1024),
        ..ReaderLimits::default()
    };
    Stanza::parse_within(text, limits).map_err(|error| match error {
        ElementError::Read(_) | ElementError::NotAnElement | ElementError::Incomplete => {
            Fault::syntax("", error)
        }
        error => Fault::field("", error),
    })
}

/// Parses a text that consists of child elements, and serializes each of them again.
///
/// # Errors
/// Returns a [`Fault`] if the text is anything else.
pub(super) fn children(text: &str) -> Result<Children, Fault> {
    // A text that closes the wrapping element results in more than one stanza, which is rejected.
    let wrapped = read(&format!("<message>{text}</message>"))?;
    Ok(rewritten(&wrapped)?.children().clone())
}

fn rewritten(read: &Stanza) -> Result<Stanza, Fault> {
    let element = read.to_element().map_err(|error| Fault::field("", error))?;
    let written = Stanza::try_from(&element).map_err(|error| Fault::field("", error))?;
    // An unknown message type is not kept: the reader has treated it as normal (RFC 6121 §5.2.2).
    let stanza = Stanza::new(read.kind()).with_children(written.children().clone());
    Ok(header(stanza, read))
}

/// Copies the header of another stanza.
fn header(mut stanza: Stanza, like: &Stanza) -> Stanza {
    stanza = like
        .from()
        .cloned()
        .into_iter()
        .fold(stanza, Stanza::with_from);
    stanza = like.to().cloned().into_iter().fold(stanza, Stanza::with_to);
    stanza = like.id().into_iter().fold(stanza, Stanza::with_id);
    like.lang().into_iter().fold(stanza, Stanza::with_lang)
}

/// Returns the kind of a stanza by its name and type. An empty type is the default one.
pub(super) fn kind(name: &str, kind: &str) -> Option<Kind> {
    use campanile::stanza::{IqType, MessageType, PresenceType};
    match name {
        "message" => MessageType::ALL
            .iter()
            .find(|it| it.as_str() == kind)
            .map(|&it| Kind::Message(it)),
        "presence" => PresenceType::ALL
            .iter()
            .find(|it| it.as_str() == kind)
            .map(|&it| Kind::Presence(it)),
        "iq" => IqType::ALL
            .iter()
            .find(|it| it.as_str() == kind)
            .map(|&it| Kind::Iq(it)),
        _ => None,
    }
}
