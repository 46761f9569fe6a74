//! XML from callers: exactly one stanza, read by the rules of a stream, and written anew.

use campanile::stanza::{Children, Kind, Stanza};
use campanile_stanza::reader::{ElementError, ReaderLimits};

use super::fault::Fault;

/// The one stanza that the text is, in `jabber:client`, given or inherited.
///
/// What comes out is not the text: it has been read into a tree and is written anew, so it holds
/// what our own writer lets out and nothing else.
///
/// # Errors
/// When the text is anything but one well-formed stanza, or holds what the writer refuses.
pub fn stanza(text: &str) -> Result<Stanza, Fault> {
    let read = read(text)?;
    // As a child of another it keeps the attributes as they are written: an address that is none
    // has left no trace.
    let within = self::read(&format!("<message>{}</message>", text.trim()))?;
    for (key, parsed) in [("from", read.from()), ("to", read.to())] {
        let written = within
            .children()
            .first()
            .and_then(|child| child.attribute(key).map(|value| value.into_owned()));
        if let (Some(written), None) = (written, parsed) {
            return Err(Fault::field(key, format!("{written:?} is no JID")));
        }
    }
    rewritten(&read)
}

/// Reads what must be one stanza.
fn read(text: &str) -> Result<Stanza, Fault> {
    let limits = ReaderLimits {
        // The caller's body has a limit of its own.
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

/// The child elements that the text is, each read and written anew.
///
/// # Errors
/// When the text is anything else.
pub(super) fn children(text: &str) -> Result<Children, Fault> {
    // A text that ends this element early leaves more than one, which is refused.
    let wrapped = read(&format!("<message>{text}</message>"))?;
    Ok(rewritten(&wrapped)?.children().clone())
}

fn rewritten(read: &Stanza) -> Result<Stanza, Fault> {
    let element = read.to_element().map_err(|error| Fault::field("", error))?;
    let written = Stanza::try_from(&element).map_err(|error| Fault::field("", error))?;
    // The tree has no place for a type that does not exist: it is normal by now (RFC 6121 §5.2.2).
    let stanza = Stanza::new(read.kind()).with_children(written.children().clone());
    Ok(header(stanza, read))
}

/// The same header as another stanza's.
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

/// The kind of stanza that name and type say; an empty type is the default one.
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
