//! The document of the HTTP side, from the same list that the routes are made of.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::send::as_json;
use crate::mapping::SCHEMA;

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Messages,
    Presence,
    Iq,
    Stanzas,
    Echo,
    Ping,
    Disco,
    Items,
    Version,
    Events,
    Document,
    Schema,
    Health,
}

impl Operation {
    pub(super) const ALL: [Self; 13] = [
        Self::Messages,
        Self::Presence,
        Self::Iq,
        Self::Stanzas,
        Self::Echo,
        Self::Ping,
        Self::Disco,
        Self::Items,
        Self::Version,
        Self::Events,
        Self::Document,
        Self::Schema,
        Self::Health,
    ];

    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Messages => "/v1/messages",
            Self::Presence => "/v1/presence",
            Self::Iq => "/v1/iq",
            Self::Stanzas => "/v1/stanzas",
            Self::Echo => "/v1/echo",
            Self::Ping => "/v1/ping/{to}",
            Self::Disco => "/v1/disco/{to}",
            Self::Items => "/v1/items/{to}",
            Self::Version => "/v1/version/{to}",
            Self::Events => "/v1/events",
            Self::Document => "/v1/openapi.json",
            Self::Schema => "/v1/schema.json",
            Self::Health => "/healthz",
        }
    }

    const fn summary(self) -> &'static str {
        match self {
            Self::Messages => "Send a message",
            Self::Presence => "Send presence",
            Self::Iq => "Make a request and wait for its answer",
            Self::Stanzas => "Send any one stanza, as JSON or XML",
            Self::Echo => "Show what becomes of a stanza, and send nothing",
            Self::Ping => "Ping an address",
            Self::Disco => "Ask an address for its identities and features",
            Self::Items => "Ask an address for its items",
            Self::Version => "Ask an address for its software",
            Self::Events => "Read what is sent to bots, as Server-Sent Events or NDJSON",
            Self::Document => "This document",
            Self::Schema => "The JSON Schema of stanzas",
            Self::Health => "Whether the process answers",
        }
    }

    const fn is_post(self) -> bool {
        matches!(
            self,
            Self::Messages | Self::Presence | Self::Iq | Self::Stanzas | Self::Echo
        )
    }

    const fn takes_xml(self) -> bool {
        matches!(self, Self::Stanzas | Self::Echo)
    }

    const fn is_open(self) -> bool {
        matches!(self, Self::Document | Self::Schema | Self::Health)
    }

    /// Statuses beside those that every operation with a token has.
    const fn statuses(self) -> &'static [u16] {
        match self {
            Self::Messages | Self::Presence => &[202, 400, 403, 408, 413, 415, 422, 503],
            Self::Iq => &[200, 400, 403, 408, 413, 415, 422, 429, 502, 503, 504],
            Self::Stanzas => &[200, 202, 400, 403, 408, 413, 415, 422, 429, 502, 503, 504],
            Self::Echo => &[200, 400, 403, 408, 413, 415, 422],
            Self::Ping | Self::Disco | Self::Items | Self::Version => {
                &[200, 400, 403, 422, 429, 502, 503, 504]
            }
            Self::Events => &[200, 400, 403, 503],
            Self::Document | Self::Schema | Self::Health => &[200],
        }
    }
}

/// The document.
pub(super) async fn document() -> Response {
    as_json(StatusCode::OK, &format!("{:#}\n", build()))
}

/// The schema of stanzas.
pub(super) async fn schema() -> Response {
    as_json(StatusCode::OK, SCHEMA)
}

fn build() -> Value {
    let mut paths = Map::new();
    for operation in Operation::ALL {
        let method = if operation.is_post() { "post" } else { "get" };
        paths.insert(
            operation.path().to_owned(),
            json!({method: describe(operation)}),
        );
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Campanile JSON bridge", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Stanza": stanza_schema(),
                "Accepted": {"type": "object", "required": ["id", "state"], "properties": {
                    "id": {"type": "string", "description": "the id of the stanza"},
                    "state": {"enum": ["taken", "unknown", "repeated"], "description":
                        "taken: the server has it; unknown: it is kept and sent again with the \
                        same id; repeated: this key was used before"}
                }},
                "Problem": {"type": "object", "required": ["title", "status", "detail"], "properties": {
                    "title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"},
                    "field": {"type": "string"}
                }}
            }
        }
    })
}

/// The schema's own references, moved to where they stand here.
fn stanza_schema() -> Value {
    let moved = SCHEMA.replace("#/$defs/", "#/components/schemas/Stanza/$defs/");
    serde_json::from_str(&moved).unwrap_or(Value::Bool(true))
}

fn describe(operation: Operation) -> Value {
    let mut description =
        json!({"summary": operation.summary(), "responses": responses(operation)});
    if !operation.is_open() {
        description["security"] = json!([{"token": []}]);
    }
    if operation.is_post() {
        let stanza = json!({"schema": {"$ref": "#/components/schemas/Stanza"}});
        let mut content = json!({"application/json": stanza});
        if operation.takes_xml() {
            content["application/xmpp+xml"] = json!({"schema": {"type": "string"}});
        }
        if matches!(operation, Operation::Messages | Operation::Presence) {
            let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
            content["application/x-www-form-urlencoded"] = json!({"schema": texts});
        }
        if operation == Operation::Messages {
            content["text/plain"] = json!({"schema": {"type": "string"}});
        }
        description["requestBody"] = json!({"required": true, "content": content});
    }
    let parameters = parameters(operation);
    if !parameters.is_empty() {
        description["parameters"] = parameters.into();
    }
    description
}

fn parameters(operation: Operation) -> Vec<Value> {
    let of = |place: &str, name: &str, about: &str| json!({"in": place, "name": name, "required": place == "path", "description": about, "schema": {"type": "string"}});
    match operation {
        Operation::Ping | Operation::Disco | Operation::Items | Operation::Version => {
            vec![of("path", "to", "a JID")]
        }
        Operation::Messages | Operation::Presence | Operation::Stanzas => {
            let mut known = vec![of(
                "header",
                "Idempotency-Key",
                "the same key never sends a second stanza, \
                    for a day",
            )];
            if operation == Operation::Messages {
                known.push(of(
                    "query",
                    "to",
                    "to whom, where the body of the request is \
                    text/plain",
                ));
            }
            known
        }
        Operation::Events => [
            (
                "query",
                "since",
                "the cursor: what comes after this id; 0 for all that is kept; without it, what \
                comes from now on",
            ),
            ("header", "Last-Event-ID", "the same, as browsers send it"),
            ("query", "kind", "only message, presence or iq"),
            ("query", "type", "only of this type"),
            ("query", "from", "only from this JID, or of this domain"),
            ("query", "to", "only to this JID"),
            (
                "query",
                "namespace",
                "only with an element of this namespace right in the stanza",
            ),
            (
                "query",
                "datatype",
                "only with a payload of this datatype (XEP-0432)",
            ),
            ("query", "limit", "end after so many events"),
        ]
        .iter()
        .map(|(place, name, about)| of(place, name, about))
        .collect(),
        _ => Vec::new(),
    }
}

fn responses(operation: Operation) -> Value {
    let mut responses = Map::new();
    let open: &[u16] = if operation.is_open() { &[] } else { &[401] };
    for status in operation.statuses().iter().chain(open) {
        responses.insert(status.to_string(), response(operation, *status));
    }
    responses.into()
}

fn response(operation: Operation, status: u16) -> Value {
    let about = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    let (kind, schema) = match status {
        202 => (
            "application/json",
            json!({"$ref": "#/components/schemas/Accepted"}),
        ),
        200 if operation == Operation::Health => ("text/plain", json!({"type": "string"})),
        200 if operation == Operation::Events => ("text/event-stream", json!({"type": "string"})),
        200 if matches!(
            operation,
            Operation::Document | Operation::Schema | Operation::Echo
        ) =>
        {
            ("application/json", json!({"type": "object"}))
        }
        200 => (
            "application/json",
            json!({"$ref": "#/components/schemas/Stanza"}),
        ),
        _ => (
            "application/problem+json",
            json!({"$ref": "#/components/schemas/Problem"}),
        ),
    };
    let mut response = json!({"description": about, "content": {kind: {"schema": schema}}});
    if (status, operation) == (200, Operation::Events) {
        response["content"]["application/x-ndjson"] = json!({"schema": {"type": "string"}});
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_lists_every_path_and_resolves_references() {
        let document = build();
        assert_eq!(
            document["paths"].as_object().unwrap().len(),
            Operation::ALL.len()
        );
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
