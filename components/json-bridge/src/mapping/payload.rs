//! JSON containers (XEP-0335) and JSON messages (XEP-0432) as real JSON, preserved verbatim.

use std::collections::BTreeMap;

use campanile::minidom::Element;
use serde_json::Value;
use serde_json::value::RawValue;

use super::encode::Object;
use super::fault::{Fault, Unmappable};
use super::shape::{push_text, set, string};
use super::text::{checked, for_xml, quoted};

/// The namespace of JSON containers (XEP-0335).
pub const JSON: &str = "urn:xmpp:json:0";
/// The namespace of JSON messages (XEP-0432), and the disco feature of bots that support some
/// datatype.
pub const JSON_MSG: &str = "urn:xmpp:json-msg:0";

/// A kind of element that holds JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// `payload`: a datatype and its data.
    Payload,
    /// `json`: a container that is a direct child of the stanza.
    Json,
    /// `container`: a container inside an element of any namespace.
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

    /// Returns the kind of holder, if the element holds JSON.
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

/// Converts a holder into JSON.
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

/// Converts JSON into the elements of a holder; an array of payloads gives several.
pub(super) fn write(holder: Holder, json: &str) -> Result<Vec<Element>, Fault> {
    if holder == Holder::Json {
        return Ok(vec![container(json, "json")?]);
    }
    if holder == Holder::Payload && json.trim_start().starts_with('[') {
        let items: Vec<&RawValue> =
            serde_json::from_str(json).map_err(|error| Fault::syntax(holder.key(), error))?;
        let one = |(index, item): (usize, &&RawValue)| {
            write_one(holder, item.get(), &format!("payload[{index}]"))
        };
        return items.iter().enumerate().map(one).collect();
    }
    Ok(vec![write_one(holder, json, holder.key())?])
}

fn write_one(holder: Holder, json: &str, path: &str) -> Result<Element, Fault> {
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(json).map_err(|_| Fault::field(path, "expected an object"))?;
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
            format!("unknown key; expected one of {}", known.join(", ")),
        ));
    }
    let text = |key: &str| {
        let path = format!("{path}.{key}");
        let raw = members
            .get(key)
            .ok_or_else(|| Fault::field(&path, "required"))?;
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
        .ok_or_else(|| Fault::field(&path, "required"))?;
    element.append_child(container(raw.get(), &path)?);
    Ok(element)
}

fn container(json: &str, path: &str) -> Result<Element, Fault> {
    let json = checked(json).map_err(|why| Fault::field(path, why))?;
    let mut element = Element::bare("json", JSON);
    push_text(&mut element, &for_xml(json));
    Ok(element)
}
