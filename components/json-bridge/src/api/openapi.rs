//! The OpenAPI document of the HTTP API.

use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::body::as_json;
use crate::mapping::SCHEMA;

/// The document, except for its version and the schema of stanzas.
const DOCUMENT: &str = include_str!("openapi.json");

static SERVED: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", complete()));

/// Serves the OpenAPI document.
pub(super) async fn document() -> Response {
    as_json(StatusCode::OK, &SERVED)
}

/// Serves the JSON Schema of stanzas.
pub(super) async fn schema() -> Response {
    as_json(StatusCode::OK, SCHEMA)
}

/// Adds the version of this crate and the schema of stanzas to the document.
fn complete() -> Value {
    // A test parses both texts.
    let mut document: Value = serde_json::from_str(DOCUMENT).unwrap_or_default();
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    let schema = SCHEMA.replace("#/$defs/", "#/components/schemas/Stanza/$defs/");
    document["components"]["schemas"]["Stanza"] =
        serde_json::from_str(&schema).unwrap_or(Value::Bool(true));
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_lists_every_route() {
        let document = complete();
        let described = document["paths"].as_object().unwrap();
        let mut routes: Vec<_> = super::super::routes().map(|(path, _)| path).into();
        routes.sort_unstable();
        let mut paths: Vec<_> = described.keys().map(String::as_str).collect();
        paths.sort_unstable();
        assert_eq!(paths, routes);
    }

    #[test]
    fn document_resolves_its_references() {
        let document = complete();
        assert!(document["components"]["schemas"]["Stanza"].is_object());
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
