//! Conversion of webhook responses into stanzas.

use campanile::jid::Jid;
use campanile::reply::Reply;
use campanile::stanza::{Kind, MessageType, Stanza};

use crate::mapping::{self, Fault};
use crate::permissions::is_empty;
use crate::settings::Bot;

/// Parses the response to a message into stanzas.
///
/// By default they go from the bot to the sender of the message; the bot's grant permits other
/// recipients.
pub(crate) fn replies_of(request: &Stanza, bot: &Bot, json: &[u8]) -> Result<Vec<Stanza>, Fault> {
    let text = utf8(json)?;
    let stanzas = mapping::many_from_json_for(text, request.kind())?;
    stanzas
        .into_iter()
        .map(|stanza| addressed(stanza, request, bot))
        .collect()
}

/// Parses the response to an IQ request.
pub(crate) fn answer_of(request: &Stanza, json: &[u8]) -> Result<Reply, Fault> {
    let mut stanzas = mapping::many_from_json_for(utf8(json)?, request.kind())?;
    match (stanzas.pop(), stanzas.is_empty()) {
        (Some(stanza), true) if stanza.kind().is_response() => Ok(Reply::Stanza(Box::new(stanza))),
        (Some(_), true) => Err(Fault::field(
            "type",
            "the response to an iq must be of type result or error",
        )),
        _ => Err(Fault::field("xmpp", "an iq takes exactly one response")),
    }
}

fn utf8(json: &[u8]) -> Result<&str, Fault> {
    let text = std::str::from_utf8(json).map_err(|error| Fault::syntax("", error))?;
    Ok(mapping::without_bom(text))
}

fn addressed(stanza: Stanza, request: &Stanza, bot: &Bot) -> Result<Stanza, Fault> {
    if !matches!(stanza.kind(), Kind::Message(_) | Kind::Presence(_)) {
        return Err(Fault::field(
            "kind",
            "a response can send only messages and presence; send iq requests by POST /v1/iq",
        ));
    }
    if is_empty(&stanza) {
        return Err(Fault::field("body", "the message has no content"));
    }
    let (Some(own), Some(peer)) = (request.to(), request.from()) else {
        return Err(Fault::field("", "the message has no `from` or no `to`"));
    };
    let from = stanza.from().unwrap_or(own).clone();
    if from.to_bare() != own.to_bare() {
        return Err(Fault::field(
            "from",
            format!("must be the bot's own address, {}", own.to_bare()),
        ));
    }
    let in_room = stanza.kind() == Kind::Message(MessageType::Groupchat);
    if stanza.to().is_none() && request.raw_from().is_some() && !in_room {
        // The sender's resource has characters that a JID here cannot hold.
        let mut stanza = stanza.with_from(from);
        stanza.set_to_sender_of(request);
        return Ok(stanza);
    }
    let to = stanza.to().cloned().unwrap_or_else(|| back(peer, &stanza));
    if to.to_bare() != peer.to_bare() && !bot.to.covers(&to, own.domain().as_str()) {
        return Err(Fault::field("to", format!("not permitted to send to {to}")));
    }
    Ok(stanza.with_from(from).with_to(to))
}

/// Returns the recipient of a reply: for groupchat messages the room itself (XEP-0045 §7.4).
fn back(peer: &Jid, stanza: &Stanza) -> Jid {
    match stanza.kind() {
        Kind::Message(MessageType::Groupchat) => peer.to_bare().into(),
        _ => peer.clone(),
    }
}
