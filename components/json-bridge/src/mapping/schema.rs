//! Generator of the JSON Schema, which keeps `schema.json` in step with [`KEYS`].

use serde_json::{Map, Value, json};

use super::keys::{KEYS, On};
use super::shape::{Field, Place, Shape};

/// Builds the schema.
fn schema() -> Value {
    let mut stanza = header();
    for entry in KEYS {
        let here = of(entry.key, &entry.shape);
        // `archive` and `oob` have different shapes in messages and in IQs.
        match stanza.remove(entry.key) {
            Some(there) if there != here => {
                drop(stanza.insert(entry.key.to_owned(), json!({"anyOf": [there, here]})));
            }
            _ => drop(stanza.insert(entry.key.to_owned(), here)),
        }
    }
    for (key, schema) in &mut stanza {
        let description = describe(key);
        if let Some(rules) = schema.as_object_mut() {
            rules.insert("description".to_owned(), description.into());
        } else {
            // `true` accepts any value, as does an object without rules.
            *schema = json!({ "description": description });
        }
    }
    let payload = [
        ("datatype", json!({"type": "string"})),
        ("data", json!(true)),
    ];
    let forwarded = [
        ("delay", json!({"type": "string"})),
        ("message", json!({"$ref": "#/$defs/stanza"})),
    ];
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One or several XMPP stanzas",
        "description": "A stanza is an XMPP message, presence or IQ request. Keys that do not \
            belong to its kind are rejected.",
        "anyOf": [
            {"$ref": "#/$defs/stanza"},
            {
                "type": "object",
                "properties": {
                    "xmpp": {
                        "type": "array",
                        "maxItems": super::MAX_STANZAS,
                        "items": {"$ref": "#/$defs/stanza"}
                    }
                },
                "required": ["xmpp"],
                "additionalProperties": false
            }
        ],
        "$defs": {
            "stanza": {"type": "object", "properties": stanza, "additionalProperties": false},
            "dataform": dataform(),
            "payload": record(&payload, &["datatype", "data"]),
            "forwarded": record(&forwarded, &[])
        }
    })
}

fn header() -> Map<String, Value> {
    let string = || json!({"type": "string"});
    let mut keys = Map::new();
    keys.insert(
        "kind".into(),
        json!({"enum": ["message", "presence", "iq"]}),
    );
    for key in ["type", "from", "to", "id", "lang", "oob_url"] {
        keys.insert(key.into(), string());
    }
    keys.insert("xml".into(), string());
    let error = [
        ("type", string()),
        ("condition", string()),
        ("text", string()),
        ("by", string()),
    ];
    keys.insert("error".into(), record(&error, &[]));
    let payload = json!({"$ref": "#/$defs/payload"});
    keys.insert(
        "payload".into(),
        json!({"anyOf": [payload, {"type": "array", "items": payload}]}),
    );
    keys.insert("json".into(), json!(true));
    let container = [
        ("name", string()),
        ("xmlns", string()),
        ("json", json!(true)),
    ];
    keys.insert(
        "container".into(),
        record(&container, &["name", "xmlns", "json"]),
    );
    let id = record(&[("by", string()), ("id", string())], &[]);
    keys.insert("stanza_ids".into(), json!({"type": "array", "items": id}));
    keys.insert("forwarded".into(), json!({"$ref": "#/$defs/forwarded"}));
    let result = [
        ("id", string()),
        ("queryid", string()),
        ("forward", json!({"$ref": "#/$defs/forwarded"})),
    ];
    keys.insert("archive".into(), record(&result, &[]));
    keys.insert("join".into(), json!({"const": true}));
    keys
}

fn record(properties: &[(&str, Value)], required: &[&str]) -> Value {
    let properties: Map<_, _> = properties
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    let mut schema =
        json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn of(key: &str, shape: &Shape) -> Value {
    let string = || json!({"type": "string"});
    match shape {
        Shape::Text if key == "thread" => string(),
        Shape::Text | Shape::Attribute(_) => string(),
        Shape::Number => json!({"type": ["integer", "string"]}),
        Shape::Flag => json!({"const": true}),
        Shape::Record(fields) => {
            let properties: Map<_, _> = fields
                .iter()
                .map(|field| (field.key.to_owned(), place(field)))
                .collect();
            let object =
                json!({"type": "object", "properties": properties, "additionalProperties": false});
            match key {
                "thread" => json!({"anyOf": [{"const": true}, string(), object]}),
                _ => json!({"anyOf": [{"const": true}, object]}),
            }
        }
        Shape::List(_, shape) => json!({"type": "array", "items": of("", shape)}),
        Shape::Own(_) => own(key),
    }
}

fn place(field: &Field) -> Value {
    match field.place {
        Place::Attribute(_) | Place::Own => json!({"type": "string"}),
        Place::Count(_) | Place::Of(..) => json!({"type": ["integer", "string"]}),
        Place::Switch(_) => json!({"type": "boolean"}),
        Place::Child(_, shape) | Place::Foreign(_, _, shape) => of(field.key, shape),
        Place::Each(_, shape) => json!({"type": "array", "items": of("", shape)}),
    }
}

/// Returns the schemas of keys with a custom conversion.
fn own(key: &str) -> Value {
    let string = || json!({"type": "string"});
    let strings = || json!({"type": "array", "items": {"type": "string"}});
    let question = [json!({"const": true}), string()];
    match key {
        "state" => json!({"enum": ["active", "composing", "gone", "inactive", "paused"]}),
        "html" => json!({"type": ["string", "null"]}),
        "disco" => {
            let identity = record(
                &[
                    ("category", string()),
                    ("type", string()),
                    ("name", string()),
                ],
                &[],
            );
            let members = [
                ("node", string()),
                ("identities", json!({"type": "array", "items": identity})),
                ("features", strings()),
                ("extensions", json!({"type": "object"})),
            ];
            json!({"anyOf": [question[0], question[1], record(&members, &[])]})
        }
        "items" => {
            let item = record(
                &[("jid", string()), ("node", string()), ("name", string())],
                &[],
            );
            json!({"anyOf": [question[0], question[1], {"type": "array", "items": item}]})
        }
        "command" => json!({"anyOf": [question[0], question[1], {"type": "object", "properties": {
            "node": string(), "action": string(), "status": string(), "sessionid": string(),
            "actions": {}, "note": {}, "form": {"$ref": "#/$defs/dataform"},
            "data": {"type": "object"}
        }, "additionalProperties": false}]}),
        "dataform" | "form" => json!({"$ref": "#/$defs/dataform"}),
        other => panic!("{other} has no schema"),
    }
}

/// Returns the schema of data forms, in the long and in the short notation.
fn dataform() -> Value {
    let string = || json!({"type": "string"});
    let one_or_more =
        json!({"anyOf": [{"type": ["string", "number", "boolean"]}, {"type": "array"}]});
    let option = record(&[("label", string()), ("value", string())], &["value"]);
    let field = record(
        &[
            ("var", string()),
            ("type", string()),
            ("label", string()),
            ("desc", string()),
            ("required", json!({"type": "boolean"})),
            ("value", one_or_more.clone()),
            ("options", json!({"type": "array", "items": option})),
        ],
        &[],
    );
    let members = [
        ("type", string()),
        ("title", string()),
        ("instructions", string()),
        ("fields", json!({"type": "array", "items": field})),
    ];
    let short = json!({"type": "object", "additionalProperties": one_or_more});
    json!({"anyOf": [record(&members, &[]), short]})
}

/// Returns the description of a key of the stanza.
fn describe(key: &str) -> &'static str {
    match key {
        "kind" => "The kind of stanza. May be omitted when sending if other keys imply it.",
        "type" => {
            "The type of the stanza: chat, normal, groupchat, headline or error for messages; \
            available, unavailable, subscribe, subscribed, unsubscribe, unsubscribed, probe or \
            error for presence; get, set, result or error for IQs."
        }
        "from" => "The JID of the sender.",
        "to" => "The JID of the recipient.",
        "id" => "The id of the stanza.",
        "lang" => "The language of the stanza's texts (xml:lang).",
        "xml" => "The whole content of the stanza as XML, in place of all content keys.",
        "error" => "The error of a stanza of type error (RFC 6120 §8.3).",
        "payload" => "A JSON message: a datatype and its data, or several of them (XEP-0432).",
        "json" => "Any JSON, as a direct child of the stanza (XEP-0335).",
        "container" => "Any JSON, inside an element with the given name and namespace (XEP-0335).",
        "stanza_ids" => {
            "Ids assigned by servers and rooms, with the JID that assigned them (XEP-0359)."
        }
        "forwarded" => "A forwarded message (XEP-0297).",
        "archive" => {
            "In a message, a result from an archive; in an IQ, an archive query (XEP-0313)."
        }
        "join" => "Input only: true joins a room, like an empty `muc`.",
        "oob_url" => "The URL of `oob`. As input, a shorthand for `oob`.",
        "subject" => "The subject of a message.",
        "body" => "The text of a message.",
        "thread" => "The conversation that a message belongs to: its id, and a parent thread.",
        "html" => "The text as XHTML (XEP-0071): a <body/> element as XML.",
        "oob" => "A URL with a description (XEP-0066).",
        "state" => "The chat state of the sender, such as typing (XEP-0085).",
        "receipt" => "true requests a delivery receipt (XEP-0184).",
        "received" => "A delivery receipt: the id of the message that was received (XEP-0184).",
        "replace" => "A correction: the id of the message to replace (XEP-0308).",
        "reply" => "The message that this one replies to (XEP-0461).",
        "reactions" => "Emoji reactions to a message (XEP-0444).",
        "displayed" => "The id of the message that was displayed (XEP-0333).",
        "markable" => "true requests a `displayed` marker (XEP-0333).",
        "fallback" => "true marks the body as a fallback for older clients (XEP-0428).",
        "occupant_id" => "The stable id of a room occupant (XEP-0421).",
        "invite" => "An invitation to a room (XEP-0249).",
        "reference" => "A reference in the body, such as a mention (XEP-0372).",
        "attach_to" => "The id of the message to which this one is attached (XEP-0367).",
        "encryption" => "The namespace of the encryption method of the message (XEP-0380).",
        "show" => "The availability: away, chat, dnd or xa.",
        "status" => "The status text of a presence.",
        "priority" => "The priority of a presence, from -128 to 127.",
        "caps" => "The entity capabilities of the sender (XEP-0115).",
        "muc" => "Joins a room, with options (XEP-0045).",
        "idle_since" => "The time since when the user has been idle (XEP-0319).",
        "vcard_update" => "The hash of the sender's avatar (XEP-0153).",
        "ping" => "A ping (XEP-0199).",
        "version" => "A software version query or its result (XEP-0092).",
        "disco" => {
            "A service discovery query for identities and features, or its result (XEP-0030)."
        }
        "items" => "A service discovery query for items, or its result (XEP-0030).",
        "command" => "An ad-hoc command (XEP-0050).",
        "lastactivity" => "A last activity query or its result (XEP-0012).",
        "gateway" => "An interaction with a gateway (XEP-0100).",
        "register" => "In-band registration (XEP-0077).",
        "extdisco" => "External services, such as STUN and TURN servers (XEP-0215).",
        "stats" => "Server statistics (XEP-0039).",
        "result" => "The end of a page of archive results (XEP-0313).",
        "upload_request" => "A request for an upload slot (XEP-0363).",
        "upload_slot" => "An upload slot (XEP-0363).",
        "delay" => "The time at which a delayed stanza was sent originally (XEP-0203).",
        "nick" => "The nickname of the sender (XEP-0172).",
        "dataform" => "A data form that is a direct child of the stanza (XEP-0004).",
        "rsm" => "Paging of a result set (XEP-0059).",
        other => panic!("{other} has no description"),
    }
}

#[test]
fn schema_file_matches_keys() {
    let now = format!("{:#}\n", schema());
    if std::env::var_os("CAMPANILE_WRITE_SCHEMA").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.json"), &now).unwrap();
        return;
    }
    assert!(
        now == super::SCHEMA,
        "schema.json is out of date: run this test with CAMPANILE_WRITE_SCHEMA=1 and check the diff"
    );
    assert!(
        KEYS.iter()
            .all(|entry| entry.on != On::All || !entry.key.is_empty())
    );
}
