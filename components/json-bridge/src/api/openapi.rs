//! The OpenAPI document of the HTTP API, built from the same list as the routes.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::send::as_json;
use crate::mapping::SCHEMA;

/// An operation of the API.
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
            Self::Iq => "Send an IQ request and wait for its response",
            Self::Stanzas => "Send one stanza of any kind, as JSON or XML",
            Self::Echo => "Convert a stanza between JSON and XML without sending it",
            Self::Ping => "Ping an address",
            Self::Disco => "Query the identities and features of an address",
            Self::Items => "Query the items of an address",
            Self::Version => "Query the software version of an address",
            Self::Events => "Read the events of bots, as Server-Sent Events or NDJSON",
            Self::Document => "Get this OpenAPI document",
            Self::Schema => "Get the JSON Schema of stanzas",
            Self::Health => "Check that the API is up",
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

    /// Returns the response statuses, except 401, which every authenticated operation has.
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

/// Serves the OpenAPI document.
pub(super) async fn document() -> Response {
    as_json(StatusCode::OK, &format!("{:#}\n", build()))
}

/// Serves the JSON Schema of stanzas.
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
                    "id": {"type": "string", "description": "The id of the stanza."},
                    "state": {"enum": ["taken", "unknown", "repeated"], "description":
                        "`taken`: the XMPP server has received the stanza. `unknown`: not \
                        confirmed yet; the stanza is stored and sent with the same id until it is. \
                        `repeated`: the Idempotency-Key was used before, and no second stanza was \
                        sent."}
                }},
                "Problem": {
                    "type": "object",
                    "required": ["title", "status", "detail"],
                    "properties": {
                        "title": {"type": "string", "description": "The status in words."},
                        "status": {"type": "integer", "description": "The HTTP status."},
                        "detail": {"type": "string", "description": "What is wrong, in words."},
                        "field": {"type": "string", "description":
                            "The path of the offending key, such as `payload.data`."}
                    }
                }
            }
        }
    })
}

/// Returns the JSON Schema of stanzas, with its references adjusted to this document.
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
    let of = |place: &str, name: &str, about: &str| {
        json!({
            "in": place,
            "name": name,
            "required": place == "path",
            "description": about,
            "schema": {"type": "string"}
        })
    };
    match operation {
        Operation::Ping | Operation::Disco | Operation::Items | Operation::Version => {
            vec![of("path", "to", "The JID to query, percent-encoded.")]
        }
        Operation::Messages | Operation::Presence | Operation::Stanzas => {
            let mut known = vec![of(
                "header",
                "Idempotency-Key",
                "A unique key of 1 to 255 ASCII characters. For 24 hours, repeating a request \
                with the same key does not send a second stanza.",
            )];
            if operation == Operation::Messages {
                known.push(of(
                    "query",
                    "to",
                    "The recipient, if the body of the request is text/plain.",
                ));
            }
            known
        }
        Operation::Events => [
            (
                "query",
                "since",
                "The cursor: return events after this id. 0 returns all events that are kept. \
                Without a cursor, only new events are returned.",
            ),
            (
                "header",
                "Last-Event-ID",
                "The cursor, as sent by browsers when they reconnect. Overrides `since`.",
            ),
            (
                "query",
                "kind",
                "Only stanzas of this kind: message, presence or iq.",
            ),
            ("query", "type", "Only stanzas of this type."),
            (
                "query",
                "from",
                "Only stanzas from this full JID, bare JID or domain.",
            ),
            (
                "query",
                "to",
                "Only stanzas to this full JID, bare JID or domain.",
            ),
            (
                "query",
                "namespace",
                "Only stanzas with a child element in this namespace.",
            ),
            (
                "query",
                "datatype",
                "Only stanzas with a payload of this datatype (XEP-0432).",
            ),
            ("query", "limit", "Close the stream after this many events."),
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
