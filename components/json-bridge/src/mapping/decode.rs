//! Conversion of JSON into a stanza.

use std::collections::BTreeMap;

use campanile::jid::Jid;
use campanile::minidom::Element;
use campanile::stanza::{Children, Kind, Stanza};
use serde_json::Value;
use serde_json::value::RawValue;

use super::fault::Fault;
use super::keys::KEYS;
use super::payload::Holder;
use super::text::{MAX_DEPTH, forbidden};
use super::{Mode, encode, error, nested, payload, shape, xml};

const HEADER: [&str; 6] = ["kind", "type", "from", "to", "id", "lang"];
/// Content keys that are not in [`KEYS`].
const MORE: [&str; 10] = [
    "error",
    "xml",
    "stanza_ids",
    "forwarded",
    "archive",
    "oob_url",
    "join",
    "payload",
    "json",
    "container",
];
/// Keys that imply the kind of a stanza without `kind`.
const IMPLIED: [(&str, &[&str]); 3] = [
    (
        "iq",
        &[
            "disco",
            "items",
            "ping",
            "version",
            "command",
            "archive",
            "lastactivity",
            "register",
            "gateway",
            "extdisco",
            "stats",
            "upload_request",
            "upload_slot",
            "result",
        ],
    ),
    (
        "message",
        &["body", "html", "replace", "state", "subject", "thread"],
    ),
    ("presence", &["join", "priority", "show", "status", "muc"]),
];

type Members = BTreeMap<String, Box<RawValue>>;

/// Converts JSON into a stanza.
///
/// `depth` is the number of enclosing stanzas; `answering` is the kind of the stanza that this one
/// replies to, which supplies defaults for `kind` and `type`.
pub(super) fn decode(text: &str, depth: usize, answering: Option<Kind>) -> Result<Stanza, Fault> {
    // Each nested stanza adds two levels of JSON.
    if depth > MAX_DEPTH / 4 {
        return Err(Fault::field("", "too many nested stanzas"));
    }
    let members = object(text)?;
    let kind = kind(&members, answering)?;
    let mut stanza = header(Stanza::new(kind), &members)?;
    known(&members, kind)?;
    if let Some(raw) = members.get("xml") {
        let children = xml::children(&text_of(raw, "xml")?)
            .map_err(|fault| Fault::field("xml", fault.why()))?;
        stanza = stanza.with_children(children);
        agrees(&stanza, &members)?;
        return Ok(stanza);
    }
    let mut elements = Vec::new();
    if kind.is_error() {
        let value = members
            .get("error")
            .map_or(Ok(Value::Object(serde_json::Map::default())), |raw| {
                value(raw, "error")
            })?;
        stanza = stanza.with_children(error_children(kind, error::write(&value)?)?);
    }
    content(&members, kind, depth, &mut elements)?;
    if matches!(kind, Kind::Iq(_)) && stanza.children().len() + elements.len() > 1 {
        return Err(Fault::field(
            "",
            "an iq can have only one payload (RFC 6120 §8.2.3)",
        ));
    }
    for element in elements {
        stanza = stanza
            .with_child(&element)
            .map_err(|error| Fault::field("", error))?;
    }
    Ok(stanza)
}

fn object(text: &str) -> Result<Members, Fault> {
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Fault::field("", "expected an object"),
        _ => Fault::syntax("", format!("invalid JSON: {error}")),
    })
}

fn value(raw: &RawValue, path: &str) -> Result<Value, Fault> {
    serde_json::from_str(raw.get()).map_err(|error| Fault::field(path, error))
}

fn text_of(raw: &RawValue, path: &str) -> Result<String, Fault> {
    match value(raw, path)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(Fault::field(path, "expected a string")),
    }
}

fn optional(members: &Members, key: &str) -> Result<Option<String>, Fault> {
    members
        .get(key)
        .filter(|raw| raw.get() != "null")
        .map(|raw| text_of(raw, key))
        .transpose()
}

fn kind(members: &Members, answering: Option<Kind>) -> Result<Kind, Fault> {
    let name = optional(members, "kind")?;
    let type_ = optional(members, "type")?;
    let name = name.or_else(|| implied_by(type_.as_deref()).map(str::to_owned));
    let by_key = || {
        IMPLIED
            .iter()
            .find(|(_, keys)| keys.iter().any(|key| members.contains_key(*key)))
    };
    let name = name.or_else(|| answering.map(|kind| kind.name().to_owned()));
    let name = name.unwrap_or_else(|| by_key().map_or("message", |(name, _)| name).to_owned());
    let type_ = match (name.as_str(), type_) {
        ("presence", Some(type_)) if type_ == "available" => String::new(),
        (_, Some(type_)) => type_,
        ("message", None) if matches!(answering, Some(Kind::Message(_))) => {
            answering_type(answering)
        }
        ("iq", None) if answering == xml::kind("iq", "result") => "result".to_owned(),
        ("message", None) => "normal".to_owned(),
        ("iq", None)
            if ["command", "archive"]
                .iter()
                .any(|key| members.contains_key(*key)) =>
        {
            "set".to_owned()
        }
        ("iq", None) => "get".to_owned(),
        (_, None) => String::new(),
    };
    if !["message", "presence", "iq"].contains(&name.as_str()) {
        return Err(Fault::field("kind", "expected message, presence or iq"));
    }
    xml::kind(&name, &type_).ok_or_else(|| Fault::field("type", format!("not a type of {name}")))
}

/// Returns the default type of a message that replies to another. A reply to an error is `normal`.
fn answering_type(answering: Option<Kind>) -> String {
    let kind = answering.map_or("normal", Kind::type_str);
    if kind == "error" { "normal" } else { kind }.to_owned()
}

fn implied_by(type_: Option<&str>) -> Option<&'static str> {
    let type_ = type_?;
    if matches!(type_, "get" | "set" | "result") {
        return Some("iq");
    }
    if matches!(type_, "normal" | "chat" | "headline" | "groupchat") {
        return Some("message");
    }
    (type_ == "available"
        || (!type_.is_empty() && type_ != "error" && xml::kind("presence", type_).is_some()))
    .then_some("presence")
}

fn header(mut stanza: Stanza, members: &Members) -> Result<Stanza, Fault> {
    let jid = |key: &str| -> Result<Option<Jid>, Fault> {
        let text = optional(members, key)?;
        text.map(|text| {
            Jid::new(&text).map_err(|why| Fault::field(key, format!("invalid JID: {why}")))
        })
        .transpose()
    };
    if let Some(from) = jid("from")? {
        stanza = stanza.with_from(from);
    }
    if let Some(to) = jid("to")? {
        stanza = stanza.with_to(to);
    }
    let plain = |key: &str| -> Result<Option<String>, Fault> {
        let text = optional(members, key)?;
        match text.as_deref().and_then(forbidden) {
            Some(c) => Err(Fault::field(
                key,
                format!("character U+{:04X} is not allowed in XML", u32::from(c)),
            )),
            None => Ok(text),
        }
    };
    if let Some(id) = plain("id")? {
        stanza = stanza.with_id(id);
    }
    Ok(plain("lang")?.into_iter().fold(stanza, Stanza::with_lang))
}

/// Rejects unknown keys, because their content would be lost.
fn known(members: &Members, kind: Kind) -> Result<(), Fault> {
    for key in members.keys().map(String::as_str) {
        let mut named = KEYS.iter().filter(|entry| entry.key == key).peekable();
        let elsewhere = named.peek().is_some();
        if HEADER.contains(&key)
            || MORE.contains(&key)
            || named.any(|entry| entry.on.is(kind.name()))
        {
            continue;
        }
        let why = if elsewhere {
            format!("not allowed in {}", kind.name())
        } else {
            "unknown key".to_owned()
        };
        return Err(Fault::field(key, why));
    }
    Ok(())
}

/// Converts the content keys into elements, in the order of [`KEYS`].
fn content(
    members: &Members,
    kind: Kind,
    depth: usize,
    to: &mut Vec<Element>,
) -> Result<(), Fault> {
    let given = |key: &str| {
        members
            .get(key)
            .filter(|raw| !matches!(raw.get(), "null" | "false"))
    };
    for entry in KEYS.iter().filter(|entry| entry.on.is(kind.name())) {
        let Some(raw) = given(entry.key) else {
            continue;
        };
        let value = value(raw, entry.key)?;
        let name = if entry.name.is_empty() {
            state(&value)?
        } else {
            entry.name.to_owned()
        };
        let mut element = Element::bare(name, entry.ns);
        if let ("thread", Value::String(_)) = (entry.key, &value) {
            shape::push_text(&mut element, &shape::string(&value, entry.key)?);
        } else {
            shape::write(&entry.shape, &mut element, &value, entry.key)?;
        }
        to.push(element);
    }
    for holder in Holder::ALL {
        // For `json`, `null` is the content; for other keys it means absent.
        let raw = if holder == Holder::Json {
            members.get("json")
        } else {
            given(holder.key())
        };
        if let Some(raw) = raw {
            to.extend(payload::write(holder, raw.get())?);
        }
    }
    if let Some(raw) = given("stanza_ids") {
        stanza_ids(&value(raw, "stanza_ids")?, to)?;
    }
    if matches!(kind, Kind::Message(_)) {
        for key in ["forwarded", "archive"] {
            if let Some(raw) = given(key) {
                to.push(nested::write(key, &value(raw, key)?, depth)?);
            }
        }
    }
    short_forms(members, kind, to)
}

/// Converts the shorthand keys, which are accepted as input but never produced.
fn short_forms(members: &Members, kind: Kind, to: &mut Vec<Element>) -> Result<(), Fault> {
    if let (Kind::Message(_), Some(url), false) = (
        kind,
        optional(members, "oob_url")?,
        members.contains_key("oob"),
    ) {
        let url = shape::string(&Value::from(url), "oob_url")?;
        let mut element = Element::bare("x", "jabber:x:oob");
        let mut inner = Element::bare("url", "jabber:x:oob");
        shape::push_text(&mut inner, &url);
        element.append_child(inner);
        to.push(element);
    }
    if members.get("join").is_some_and(|raw| raw.get() == "true") && !members.contains_key("muc") {
        to.push(Element::bare("x", "http://jabber.org/protocol/muc"));
    }
    Ok(())
}

/// Returns the chat state, one of the five of XEP-0085 §5. Any other name would create an arbitrary
/// element.
fn state(value: &Value) -> Result<String, Fault> {
    let states = ["active", "composing", "gone", "inactive", "paused"];
    let state = value.as_str().filter(|state| states.contains(state));
    state
        .map(str::to_owned)
        .ok_or_else(|| Fault::field("state", format!("expected one of {}", states.join(", "))))
}

fn stanza_ids(value: &Value, to: &mut Vec<Element>) -> Result<(), Fault> {
    let items = value
        .as_array()
        .ok_or_else(|| Fault::field("stanza_ids", "expected an array"))?;
    for (index, item) in items.iter().enumerate() {
        let path = format!("stanza_ids[{index}]");
        let mut element = Element::bare("stanza-id", "urn:xmpp:sid:0");
        for (key, value) in shape::object(item, &path)? {
            match key.as_str() {
                "by" | "id" => shape::set(
                    &mut element,
                    key,
                    &shape::string(value, &format!("{path}.{key}"))?,
                ),
                _ => {
                    return Err(Fault::field(
                        format!("{path}.{key}"),
                        "unknown key; expected one of by, id",
                    ));
                }
            }
        }
        to.push(element);
    }
    Ok(())
}

fn error_children(
    kind: Kind,
    stanza_error: campanile::error::StanzaError,
) -> Result<Children, Fault> {
    use campanile::reply::Reply;
    // The library creates error stanzas only as replies, so reply to a dummy stanza.
    let asked = match kind {
        Kind::Iq(_) => xml::kind("iq", "get"),
        _ => xml::kind("message", "chat"),
    };
    let jid = |text| Jid::new(text).map_err(|error| Fault::field("error", error));
    let asked = Stanza::new(asked.ok_or_else(|| Fault::field("type", "unknown type"))?);
    let asked = asked
        .with_from(jid("a.invalid")?)
        .with_to(jid("b.invalid")?)
        .with_text("body", "");
    let asked = asked.map_err(|error| Fault::field("error", error))?;
    let mut children = Children::new();
    Reply::Error(stanza_error).address(&asked, |stanza| children = stanza.children().clone());
    Ok(children)
}

/// Rejects content keys that contradict `xml`, because it is unclear which of the two is meant.
fn agrees(stanza: &Stanza, members: &Members) -> Result<(), Fault> {
    let own = encode::encode(stanza, Mode::Plain).map_err(|error| Fault::field("xml", error))?;
    let own = object(&own)?;
    for (key, given) in members
        .iter()
        .filter(|(key, _)| *key != "xml" && !HEADER.contains(&key.as_str()))
    {
        let same = own.get(key).map(|own| own.get()) == Some(given.get())
            || own.get(key).and_then(|own| value(own, key).ok()) == value(given, key).ok();
        if !same {
            return Err(Fault::field(
                key,
                "contradicts `xml`; remove one of the two",
            ));
        }
    }
    Ok(())
}
