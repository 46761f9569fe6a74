//! `GET` operations for the most common IQ requests.

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use super::State;
use super::ask::ask;
use super::problem::Problem;
use crate::mapping;

pub(super) async fn ping(
    shared: State,
    to: Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    look_up(&shared, &to, &headers, "ping").await
}

pub(super) async fn disco(
    shared: State,
    to: Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    look_up(&shared, &to, &headers, "disco").await
}

pub(super) async fn items(
    shared: State,
    to: Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    look_up(&shared, &to, &headers, "items").await
}

pub(super) async fn version(
    shared: State,
    to: Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    look_up(&shared, &to, &headers, "version").await
}

async fn look_up(
    shared: &State,
    to: &str,
    headers: &HeaderMap,
    what: &str,
) -> Result<Response, Problem> {
    let caller = shared.callers.find(headers)?;
    let stanza = mapping::from_json(
        &json!({"kind": "iq", "type": "get", "to": to, what: true}).to_string(),
    )?;
    ask(&shared.running, caller.address(stanza)?).await
}
