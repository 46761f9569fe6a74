//! `GET` operations for the most common IQ requests.

use axum::extract::{Path, RawQuery};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use super::State;
use super::ask::ask;
use super::problem::Problem;
use super::query::query;
use crate::mapping;

pub(super) async fn ping(
    shared: State,
    to: Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    look_up(&shared, &to, &headers, "ping", true.into()).await
}

pub(super) async fn disco(
    shared: State,
    to: Path<String>,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    look_up(&shared, &to, &headers, "disco", node(text.as_deref())?).await
}

pub(super) async fn items(
    shared: State,
    to: Path<String>,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    look_up(&shared, &to, &headers, "items", node(text.as_deref())?).await
}

pub(super) async fn version(
    shared: State,
    to: Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    look_up(&shared, &to, &headers, "version", true.into()).await
}

async fn look_up(
    shared: &State,
    to: &str,
    headers: &HeaderMap,
    what: &str,
    value: Value,
) -> Result<Response, Problem> {
    let caller = shared.callers.find(headers)?;
    let stanza = mapping::from_json(
        &json!({"kind": "iq", "type": "get", "to": to, what: value}).to_string(),
    )?;
    ask(&shared.running, caller.address(stanza)?).await
}

/// Returns the value of a service discovery key: the node of the query, if one is given.
fn node(text: Option<&str>) -> Result<Value, Problem> {
    let mut parameters = query(text)?;
    Ok(
        match parameters.remove("node").filter(|node| !node.is_empty()) {
            Some(node) => node.into(),
            None => true.into(),
        },
    )
}
