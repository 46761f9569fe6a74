//! Stanzas nested in messages: forwarded stanzas (XEP-0297) and archive results (XEP-0313).

use campanile::minidom::Element;
use campanile::stanza::Stanza;
use serde_json::{Map, Value};

use super::encode::{self, Object};
use super::fault::{Fault, Unmappable};
use super::keys::CLIENT;
use super::shape::{object, set, string};
use super::text::quoted;
use super::{Mode, decode};

const FORWARD: &str = "urn:xmpp:forward:0";
const MAM: &str = "urn:xmpp:mam:2";
const DELAY: &str = "urn:xmpp:delay";

/// Returns the message key for an element, if it holds a nested stanza.
pub(super) fn key(element: &Element) -> Option<&'static str> {
    if element.is("forwarded", FORWARD) {
        return Some("forwarded");
    }
    element.is("result", MAM).then_some("archive")
}

/// Converts an element that [`key`] accepts into JSON.
pub(super) fn read(element: &Element) -> Result<String, Unmappable> {
    if element.is("forwarded", FORWARD) {
        return forwarded(element);
    }
    let mut object = Object::default();
    for name in ["id", "queryid"] {
        if let Some(value) = element.attr(name) {
            object.put(name, quoted(value));
        }
    }
    if let Some(inner) = element.get_child("forwarded", FORWARD) {
        object.put("forward", forwarded(inner)?);
    }
    Ok(object.finish())
}

fn forwarded(element: &Element) -> Result<String, Unmappable> {
    let mut object = Object::default();
    let stamp = element
        .get_child("delay", DELAY)
        .and_then(|delay| delay.attr("stamp"));
    if let Some(stamp) = stamp {
        object.put("delay", quoted(stamp));
    }
    let message = element
        .get_child("message", CLIENT)
        .and_then(|message| Stanza::try_from(message).ok());
    if let Some(message) = message {
        object.put("message", encode::encode(&message, Mode::Plain)?);
    }
    Ok(object.finish())
}

/// Converts the JSON of a key that [`key`] returns into an element.
pub(super) fn write(key: &str, value: &Value, depth: usize) -> Result<Element, Fault> {
    if key == "forwarded" {
        return write_forwarded(value, key, depth);
    }
    let members = object(value, key)?;
    let mut result = Element::bare("result", MAM);
    for name in ["id", "queryid"] {
        if let Some(value) = members.get(name) {
            set(&mut result, name, &string(value, &format!("{key}.{name}"))?);
        }
    }
    if let Some(inner) = members.get("forward") {
        result.append_child(write_forwarded(inner, &format!("{key}.forward"), depth)?);
    }
    Ok(result)
}

fn write_forwarded(value: &Value, path: &str, depth: usize) -> Result<Element, Fault> {
    let members: &Map<_, _> = object(value, path)?;
    let mut forwarded = Element::bare("forwarded", FORWARD);
    if let Some(stamp) = members.get("delay") {
        let mut delay = Element::bare("delay", DELAY);
        set(
            &mut delay,
            "stamp",
            &string(stamp, &format!("{path}.delay"))?,
        );
        forwarded.append_child(delay);
    }
    if let Some(message) = members.get("message") {
        let path = format!("{path}.message");
        let within = |fault: Fault| Fault::field(format!("{path}.{}", fault.path()), fault.why());
        let stanza = decode::decode(&message.to_string(), depth + 1, None).map_err(within)?;
        forwarded.append_child(
            stanza
                .to_element()
                .map_err(|error| Fault::field(&path, error))?,
        );
    }
    Ok(forwarded)
}
