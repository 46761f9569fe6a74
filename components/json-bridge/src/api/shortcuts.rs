//! `GET` operations for the most common IQ requests.

use std::collections::HashMap;

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use super::problem::Problem;
use super::{State, send};
use crate::mapping;

pub(super) async fn ping(
    shared: State,
    to: Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    ask(&shared, &to, &headers, "ping").await
}

pub(super) async fn disco(
    shared: State,
    to: Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    ask(&shared, &to, &headers, "disco").await
}

pub(super) async fn items(
    shared: State,
    to: Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    ask(&shared, &to, &headers, "items").await
}

pub(super) async fn version(
    shared: State,
    to: Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    ask(&shared, &to, &headers, "version").await
}

async fn ask(
    shared: &State,
    to: &str,
    headers: &HeaderMap,
    what: &str,
) -> Result<Response, Problem> {
    let caller = shared.callers.find(headers)?;
    let stanza = mapping::from_json(
        &json!({"kind": "iq", "type": "get", "to": to, what: true}).to_string(),
    )?;
    send::ask(&shared.running, caller.address(stanza)?).await
}

/// Parses a query string or a form. The last parameter of each name wins.
pub(super) fn query(text: Option<&str>) -> HashMap<String, String> {
    let pairs = text
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty());
    let decode = |text: &str| percent(&text.replace('+', " "));
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

fn percent(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        let decoded = hex
            .filter(|_| byte == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(decoded.unwrap_or(byte));
        at += if decoded.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn query_is_decoded() {
        let query = super::query(Some("a=1&b=x%40y+z&c&a=2&d=%4"));
        assert_eq!(
            (&*query["a"], &*query["b"], &*query["c"], &*query["d"]),
            ("2", "x@y z", "", "%4")
        );
    }
}
