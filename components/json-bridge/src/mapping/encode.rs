//! Conversion of a stanza into JSON.

use std::fmt::Write as _;

use campanile::minidom::Element;
use campanile::stanza::{Kind, PresenceType, Stanza};

use super::fault::Unmappable;
use super::keys::{KEYS, KeySpec};
use super::payload::Holder;
use super::text::quoted;
use super::{Mode, error, nested, payload, shape};

/// A JSON object that is built from serialized members.
#[derive(Debug, Default)]
pub(super) struct Object {
    text: String,
    keys: Vec<&'static str>,
}

impl Object {
    /// Adds a member whose value is already JSON.
    pub(super) fn put(&mut self, key: &'static str, json: impl AsRef<str>) {
        self.text.push(if self.keys.is_empty() { '{' } else { ',' });
        // Keys are constants without special characters; writing to a string does not fail.
        let _ = write!(self.text, "\"{key}\":{}", json.as_ref());
        self.keys.push(key);
    }

    fn has(&self, key: &str) -> bool {
        self.keys.contains(&key)
    }

    pub(super) fn finish(mut self) -> String {
        self.text
            .push_str(if self.keys.is_empty() { "{}" } else { "}" });
        self.text
    }
}

/// Converts a stanza into JSON.
pub(super) fn encode(stanza: &Stanza, mode: Mode) -> Result<String, Unmappable> {
    let mut object = Object::default();
    header(stanza, &mut object);
    if stanza.kind().is_error() {
        object.put("error", error::read(stanza));
    }
    let mut payloads = Vec::new();
    let mut ids = Vec::new();
    // The stream reader has checked the elements. Those that minidom rejects are left out, like
    // unknown elements.
    for element in stanza
        .children()
        .iter()
        .filter_map(|child| child.element().ok())
    {
        if stanza.kind().is_error() && element.name() == "error" {
            continue;
        }
        if element.is("stanza-id", "urn:xmpp:sid:0") {
            ids.push(element);
        } else if let Some(holder) = Holder::of(&element) {
            match holder {
                Holder::Payload => payloads.push(payload::read(holder, &element)?),
                _ if object.has(holder.key()) => {}
                _ => object.put(holder.key(), payload::read(holder, &element)?),
            }
        } else {
            one(stanza.kind(), &element, &mut object)?;
        }
    }
    match payloads.as_slice() {
        [] => {}
        [one] => object.put("payload", one),
        several => object.put("payload", format!("[{}]", several.join(","))),
    }
    if !ids.is_empty() {
        object.put("stanza_ids", stanza_ids(&ids));
    }
    if mode == Mode::Lossless || mode == Mode::Raw {
        raw(stanza, mode, &mut object);
    }
    Ok(object.finish())
}

fn header(stanza: &Stanza, object: &mut Object) {
    let kind = stanza.kind();
    object.put("kind", quoted(kind.name()));
    let type_ = if kind == Kind::Presence(PresenceType::Available) {
        "available"
    } else {
        kind.type_str()
    };
    object.put("type", quoted(type_));
    let from = stanza.from_text();
    let to = stanza.to_text();
    for (key, value) in [
        ("from", from),
        ("to", to),
        ("id", stanza.id()),
        ("lang", stanza.lang()),
    ] {
        if let Some(value) = value {
            object.put(key, quoted(value));
        }
    }
}

/// Adds the key for an element, unless it is present: the first element wins, as in mod_rest.
fn one(kind: Kind, element: &Element, object: &mut Object) -> Result<(), Unmappable> {
    if let (Kind::Message(_), Some(key)) = (kind, nested::key(element)) {
        if !object.has(key) {
            object.put(key, nested::read(element)?);
        }
        return Ok(());
    }
    if let Some(entry) = find(kind, element).filter(|entry| !object.has(entry.key)) {
        object.put(entry.key, shape::read(&entry.shape, element).to_string());
        if entry.key == "oob" && kind.name() == "message" {
            let url = element.get_child("url", entry.ns).map(Element::text);
            object.put("oob_url", quoted(&url.unwrap_or_default()));
        }
    }
    Ok(())
}

fn find(kind: Kind, element: &Element) -> Option<&'static KeySpec> {
    let name = element.name();
    let ns = element.ns();
    let is = |entry: &&KeySpec| {
        entry.ns == ns && (entry.name.is_empty() || entry.name == name) && entry.on.is(kind.name())
    };
    KEYS.iter().find(is)
}

fn stanza_ids(ids: &[Element]) -> String {
    let one = |element: &Element| {
        let mut object = Object::default();
        for key in ["by", "id"] {
            if let Some(value) = element.attr(key) {
                object.put(key, quoted(value));
            }
        }
        object.finish()
    };
    format!("[{}]", ids.iter().map(one).collect::<Vec<_>>().join(","))
}

/// Adds the content as XML, either always or only if the JSON so far does not restore the stanza.
fn raw(stanza: &Stanza, mode: Mode, object: &mut Object) {
    let so_far = format!("{}}}", object.text);
    let same = || {
        let back = super::decode::decode(&so_far, 0, None)
            .ok()?
            .to_element()
            .ok()?;
        Some(back == stanza.to_element().ok()?)
    };
    if mode == Mode::Raw || same() != Some(true) {
        object.put(
            "xml",
            quoted(&String::from_utf8_lossy(stanza.children().as_bytes())),
        );
    }
}
