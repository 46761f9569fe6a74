//! Describes stanzas in plain language.

use campanile::error::StanzaError;
use campanile::minidom::Element;
use campanile::stanza::{Child, IqType, Kind, MessageType, PresenceType, Stanza};

/// Longest description, in characters.
const LONGEST: usize = 300;

pub(super) const INFO: &str = "http://jabber.org/protocol/disco#info";
pub(super) const ITEMS: &str = "http://jabber.org/protocol/disco#items";
pub(super) const PING: &str = "urn:xmpp:ping";
pub(super) const VERSION: &str = "jabber:iq:version";
pub(super) const TIME: &str = "urn:xmpp:time";
pub(super) const LAST: &str = "jabber:iq:last";
const CLIENT: &str = "jabber:client";
const FORM: &str = "jabber:x:data";

/// Describes a stanza.
pub(super) fn of(stanza: &Stanza) -> String {
    let text = match stanza.kind() {
        kind if kind.is_error() => error(stanza),
        Kind::Message(kind) => message(stanza, kind),
        Kind::Presence(kind) => presence(stanza, kind),
        Kind::Iq(IqType::Result) => stanza
            .children()
            .first()
            .map_or_else(|| "yes".to_owned(), |child| result(&child)),
        Kind::Iq(IqType::Set) => payload(stanza, "set "),
        Kind::Iq(_) => question(stanza),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn error(stanza: &Stanza) -> String {
    let error = StanzaError::from_stanza(stanza);
    let text = error
        .text()
        .map(|text| format!(": {text}"))
        .unwrap_or_default();
    format!(
        "error {} ({}){text}",
        error.condition().as_str(),
        error.error_type().as_str()
    )
}

fn message(stanza: &Stanza, kind: MessageType) -> String {
    let body = stanza
        .children()
        .find(CLIENT, "body")
        .map(|body| format!("“{}”", body.text()));
    let others = stanza
        .children()
        .iter()
        .filter(|child| !child.is(CLIENT, "body"))
        .map(|child| element(&child));
    let parts: Vec<_> = body.into_iter().chain(others).collect();
    let parts = if parts.is_empty() {
        "an empty message".to_owned()
    } else {
        parts.join(" with ")
    };
    match kind {
        MessageType::Chat | MessageType::Normal => parts,
        other => format!("{} {parts}", other.as_str()),
    }
}

fn presence(stanza: &Stanza, kind: PresenceType) -> String {
    let detail = |name| {
        stanza
            .children()
            .find(CLIENT, name)
            .map(|child| child.text().into_owned())
    };
    let parts = [
        Some(Kind::Presence(kind).type_str().to_owned()),
        detail("show"),
        detail("status"),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    if parts.is_empty() {
        "presence: available".to_owned()
    } else {
        format!("presence: {}", parts.join(", "))
    }
}

fn question(stanza: &Stanza) -> String {
    let namespace = stanza
        .children()
        .first()
        .map(|child| child.namespace().into_owned());
    match namespace.as_deref() {
        Some(INFO) => "what are you?".to_owned(),
        Some(ITEMS) => "what else is there?".to_owned(),
        Some(PING) => "are you there?".to_owned(),
        Some(VERSION) => "which software are you?".to_owned(),
        Some(TIME) => "what time is it?".to_owned(),
        Some(LAST) => "how long have you been up?".to_owned(),
        _ => payload(stanza, "get "),
    }
}

fn payload(stanza: &Stanza, verb: &str) -> String {
    let payload = stanza
        .children()
        .first()
        .map_or_else(|| "nothing".to_owned(), |child| element(&child));
    format!("{verb}{payload}")
}

fn result(payload: &Child<'_>) -> String {
    let Ok(parsed) = payload.element() else {
        return element(payload);
    };
    let child = |name| {
        parsed
            .children()
            .find(|child| child.name() == name)
            .map(Element::text)
            .unwrap_or_default()
    };
    match payload.namespace().as_ref() {
        INFO => info(&parsed),
        ITEMS => items(&parsed),
        VERSION => format!("{} {}", child("name"), child("version"))
            .trim_end()
            .to_owned(),
        TIME => format!("{} (zone {})", child("utc"), child("tzo")),
        LAST => format!("{} seconds", parsed.attr("seconds").unwrap_or("?")),
        _ => element(payload),
    }
}

fn info(info: &Element) -> String {
    let attribute =
        |element: &Element, name: &str| element.attr(name).unwrap_or_default().to_owned();
    let of = |name: &'static str| info.children().filter(move |child| child.name() == name);
    let identities = of("identity").map(|identity| {
        let kind = format!(
            "{}/{}",
            attribute(identity, "category"),
            attribute(identity, "type")
        );
        identity
            .attr("name")
            .map_or_else(|| kind.clone(), |name| format!("{name} ({kind})"))
    });
    let features = of("feature").map(|feature| attribute(feature, "var"));
    let forms = info
        .children()
        .filter(|child| child.is("x", FORM))
        .flat_map(Element::children)
        .filter_map(|field| {
            let values: Vec<_> = field.children().map(Element::text).collect();
            let name = field.attr("var").filter(|name| *name != "FORM_TYPE")?;
            Some(format!("{name} {}", values.join(" ")))
        });
    let join = |parts: Vec<String>, before: &str| match parts.as_slice() {
        [] => String::new(),
        parts => format!("{before}{}", parts.join(", ")),
    };
    join(identities.collect(), "")
        + &join(features.collect(), "; features: ")
        + &join(forms.collect(), "; ")
}

fn items(items: &Element) -> String {
    let item = |item: &Element| {
        let parts = [item.attr("jid"), item.attr("node"), item.attr("name")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    let items: Vec<_> = items.children().map(item).collect();
    if items.is_empty() {
        "nothing else".to_owned()
    } else {
        items.join(", ")
    }
}

/// Describes an element by its name, namespace and text.
fn element(child: &Child<'_>) -> String {
    let text = child.text();
    let text = text.trim();
    let namespace = child.namespace();
    let namespace = if namespace == CLIENT {
        String::new()
    } else {
        format!(" xmlns='{namespace}'")
    };
    if text.is_empty() {
        format!("<{}{namespace}/>", child.name())
    } else {
        format!("<{}{namespace}>{text}</…>", child.name())
    }
}
