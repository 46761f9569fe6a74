//! The JSON Schema, generated from the table, so that neither can say what the other does not.

use serde_json::{Map, Value, json};

use super::keys::{KEYS, On};
use super::shape::{Field, Place, Shape};

/// The whole schema.
fn schema() -> Value {
    let mut stanza = header();
    for entry in KEYS {
        let here = of(entry.key, &entry.shape);
        // `archive` and `oob` are one thing in a message and another in an IQ.
        match stanza.remove(entry.key) {
            Some(there) if there != here => {
                drop(stanza.insert(entry.key.to_owned(), json!({"anyOf": [there, here]})))
            }
            _ => drop(stanza.insert(entry.key.to_owned(), here)),
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stanza of XMPP, or several",
        "anyOf": [
            {"$ref": "#/$defs/stanza"},
            {
                "type": "object",
                "properties": {"xmpp": {"type": "array", "maxItems": super::MAX_STANZAS, "items": {"$ref": "#/$defs/stanza"}}},
                "required": ["xmpp"],
                "additionalProperties": false
            }
        ],
        "$defs": {
            "stanza": {"type": "object", "properties": stanza, "additionalProperties": false},
            "dataform": dataform(),
            "payload": record(&[("datatype", json!({"type": "string"})), ("data", json!(true))], &["datatype", "data"]),
            "forwarded": record(&[("delay", json!({"type": "string"})), ("message", json!({"$ref": "#/$defs/stanza"}))], &[])
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
    keys.insert(
        "xml".into(),
        json!({"type": "string", "description": "the content as XML, in place of all content \
            keys"}),
    );
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

/// Shapes that a function reads and writes.
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
            "actions": {}, "note": {}, "form": {"$ref": "#/$defs/dataform"}, "data": {"type": "object"}
        }, "additionalProperties": false}]}),
        "dataform" | "form" => json!({"$ref": "#/$defs/dataform"}),
        other => panic!("{other} has no schema"),
    }
}

/// The long form, or `{var: value}`.
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
    json!({"anyOf": [record(&members, &[]), {"type": "object", "additionalProperties": one_or_more}]})
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
        "run this test with CAMPANILE_WRITE_SCHEMA=1 and look at what changed"
    );
    assert!(
        KEYS.iter()
            .all(|entry| entry.on != On::All || !entry.key.is_empty())
    );
}
