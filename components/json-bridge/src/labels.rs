//! Properties of a stanza by which readers filter events.

use campanile::stanza::{Kind, PresenceType, Stanza};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::mapping::JSON_MSG;

/// The properties of an event that filters compare.
///
/// They are kept beside the event's JSON, because a filter must not depend on whether a parser
/// accepts what a sender has put into a payload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Labels {
    pub(crate) kind: String,
    #[serde(rename = "type")]
    pub(crate) type_: String,
    #[serde(default)]
    pub(crate) from: String,
    #[serde(default)]
    pub(crate) to: String,
    /// The namespaces of the child elements.
    #[serde(default)]
    pub(crate) namespaces: Vec<String>,
    /// The datatypes of payloads (XEP-0432).
    #[serde(default)]
    pub(crate) datatypes: Vec<String>,
}

impl Labels {
    pub(crate) fn of(stanza: &Stanza) -> Self {
        let kind = stanza.kind();
        let address = |jid: Option<&campanile::jid::Jid>| {
            jid.map(|jid| jid.as_str().to_owned()).unwrap_or_default()
        };
        let children = stanza.children();
        let datatypes = children
            .iter()
            .filter(|child| child.name() == "payload" && child.namespace() == JSON_MSG)
            .filter_map(|child| Some(child.attribute("datatype")?.into_owned()));
        Self {
            kind: kind.name().to_owned(),
            type_: if kind == Kind::Presence(PresenceType::Available) {
                "available".to_owned()
            } else {
                kind.type_str().to_owned()
            },
            from: address(stanza.from()),
            to: address(stanza.to()),
            namespaces: children
                .iter()
                .map(|child| child.namespace().into_owned())
                .collect(),
            datatypes: datatypes.collect(),
        }
    }

    /// Returns the labels of an event that an earlier version stored without them.
    ///
    /// Only the keys of the header are parsed, so that content does not matter. An event that
    /// cannot be read matches no filter.
    pub(crate) fn of_json(json: &str, namespaces: &str) -> Self {
        let labels = serde_json::from_str::<Self>(json).unwrap_or_default();
        Self {
            namespaces: namespaces.split(' ').map(str::to_owned).collect(),
            datatypes: datatypes(json).unwrap_or_default(),
            ..labels
        }
    }
}

/// Returns the datatypes in the JSON of a stanza.
fn datatypes(json: &str) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Content<'a> {
        #[serde(borrow)]
        payload: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Payload {
        datatype: String,
    }
    let payload = serde_json::from_str::<Content<'_>>(json)
        .ok()?
        .payload
        .get();
    let several = serde_json::from_str::<Vec<Payload>>(payload)
        .or_else(|_| serde_json::from_str::<Payload>(payload).map(|one| vec![one]));
    Some(several.ok()?.into_iter().map(|one| one.datatype).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_do_not_depend_on_numbers_in_a_payload() {
        let json = r#"{"kind":"message","type":"chat","from":"a@b/c","to":"bot@d","id":"1",
            "payload":{"datatype":"urn:x","data":[1e999]}}"#;
        let labels = Labels::of_json(json, "urn:xmpp:json-msg:0 urn:y");
        let expected = Labels {
            kind: "message".into(),
            type_: "chat".into(),
            from: "a@b/c".into(),
            to: "bot@d".into(),
            namespaces: vec![JSON_MSG.into(), "urn:y".into()],
            datatypes: vec!["urn:x".into()],
        };
        assert_eq!(labels, expected);
        assert_eq!(Labels::of_json("{", "").kind, "");
    }
}
