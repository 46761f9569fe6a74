//! Containers of JSON (XEP-0335) and JSON messages (XEP-0432) as real JSON, kept as it is written.

use std::collections::BTreeMap;

use campanile::minidom::Element;
use serde_json::Value;
use serde_json::value::RawValue;

use super::encode::Object;
use super::fault::{Fault, Unmappable};
use super::shape::{push_text, set, string};
use super::text::{checked, for_xml, quoted};

/// Namespace of the container.
pub const JSON: &str = "urn:xmpp:json:0";
/// Namespace of the message payload, and the feature that says that some datatypes are listened
/// for.
pub const JSON_MSG: &str = "urn:xmpp:json-msg:0";

/// What holds JSON, in the order of [`write`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// `payload`: a datatype and its data.
    Payload,
    /// `json`: a container right in the stanza.
    Json,
    /// `container`: one in an element of any namespace, with nothing else.
    Container,
}

impl Holder {
    pub(super) const ALL: [Self; 3] = [Self::Payload, Self::Json, Self::Container];

    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Json => "json",
            Self::Container => "container",
        }
    }

    /// What kind of holder the element is.
    pub(super) fn of(element: &Element) -> Option<Self> {
        if element.is("json", JSON) {
            return Some(Self::Json);
        }
        element.get_child("json", JSON)?;
        Some(if element.is("payload", JSON_MSG) {
            Self::Payload
        } else {
            Self::Container
        })
    }
}

/// The JSON of a holder.
pub(super) fn read(holder: Holder, element: &Element) -> Result<String, Unmappable> {
    let container = if holder == Holder::Json {
        Some(element)
    } else {
        element.get_child("json", JSON)
    };
    let text = container.map(Element::text).unwrap_or_default();
    let json = checked(&text).map_err(Unmappable)?;
    let mut object = Object::default();
    match holder {
        Holder::Json => return Ok(json.to_owned()),
        Holder::Payload => object.put(
            "datatype",
            quoted(element.attr("datatype").unwrap_or_default()),
        ),
        Holder::Container => {
            object.put("name", quoted(element.name()));
            object.put("xmlns", quoted(&element.ns()));
        }
    }
    object.put(
        if holder == Holder::Payload {
            "data"
        } else {
            "json"
        },
        json,
    );
    Ok(object.finish())
}

/// The elements of a holder: one, or several of a list of payloads.
pub(super) fn write(holder: Holder, json: &str) -> Result<Vec<Element>, Fault> {
    if holder == Holder::Json {
        return Ok(vec![container(json, "json")?]);
    }
    if holder == Holder::Payload && json.trim_start().starts_with('[') {
        let items: Vec<&RawValue> =
            serde_json::from_str(json).map_err(|error| Fault::syntax(holder.key(), error))?;
        let one = |(index, item): (usize, &&RawValue)| {
            held(holder, item.get(), &format!("payload[{index}]"))
        };
        return items.iter().enumerate().map(one).collect();
    }
    Ok(vec![held(holder, json, holder.key())?])
}

fn held(holder: Holder, json: &str, path: &str) -> Result<Element, Fault> {
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(json).map_err(|_| Fault::field(path, "write an object"))?;
    let inner = if holder == Holder::Payload {
        "data"
    } else {
        "json"
    };
    let known: &[&str] = if holder == Holder::Payload {
        &["datatype", "data"]
    } else {
        &["name", "xmlns", "json"]
    };
    if let Some(unknown) = members.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(Fault::field(
            format!("{path}.{unknown}"),
            format!("unknown; known are {}", known.join(", ")),
        ));
    }
    let text = |key: &str| {
        let path = format!("{path}.{key}");
        let raw = members
            .get(key)
            .ok_or_else(|| Fault::field(&path, "is missing"))?;
        string(
            &serde_json::from_str::<Value>(raw.get())
                .map_err(|error| Fault::field(&path, error))?,
            &path,
        )
    };
    let mut element = if holder == Holder::Payload {
        let mut payload = Element::bare("payload", JSON_MSG);
        set(&mut payload, "datatype", &text("datatype")?);
        payload
    } else {
        Element::bare(text("name")?, text("xmlns")?)
    };
    let path = format!("{path}.{inner}");
    let raw = members
        .get(inner)
        .ok_or_else(|| Fault::field(&path, "is missing"))?;
    element.append_child(container(raw.get(), &path)?);
    Ok(element)
}

fn container(json: &str, path: &str) -> Result<Element, Fault> {
    let json = checked(json).map_err(|why| Fault::field(path, why))?;
    let mut element = Element::bare("json", JSON);
    push_text(&mut element, &for_xml(json));
    Ok(element)
}
