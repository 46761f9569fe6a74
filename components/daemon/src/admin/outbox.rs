//! Undelivered messages of the JSON bridges: list, replay, drop.

use std::path::PathBuf;

use axum::body::Bytes;
use axum::response::Response;
use campanile::error::BoxError;
use campanile_json_bridge::Admin;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::access::Content;
use super::problem::{Problem, json_of};
use super::{Shared, State};

/// Maximum number of entries shown per outbox.
const MOST: usize = 500;

/// Returns pending messages and dead letters, by component.
pub(super) async fn list(
    _: Content,
    axum::extract::State(shared): State,
) -> Result<Response, Problem> {
    let mut all = Vec::new();
    for (jid, path) in outboxes(&shared) {
        let entries = blocking(path, |admin| admin.list(MOST)).await?;
        for entry in entries {
            let mut value: Value = serde_json::from_str(&entry.to_json()).unwrap_or_default();
            value["component"] = jid.as_str().into();
            all.push(value);
        }
    }
    Ok(json_of(&Value::Array(all)))
}

/// Replays one dead letter, `{"component": JID, "seq": 17}`, or all of them without `seq`.
pub(super) async fn replay(
    _: Content,
    axum::extract::State(shared): State,
    body: Bytes,
) -> Result<Response, Problem> {
    let (path, seq) = which(&shared, &body)?;
    let count = blocking(path, move |admin| admin.replay(seq)).await?;
    at_least_one(seq, count)?;
    tracing::info!(count, "dead letters replayed through the admin port");
    Ok(json_of(&json!({ "count": count })))
}

pub(super) async fn remove(
    _: Content,
    axum::extract::State(shared): State,
    body: Bytes,
) -> Result<Response, Problem> {
    let (path, seq) = which(&shared, &body)?;
    let count = blocking(path, move |admin| admin.drop(seq)).await?;
    at_least_one(seq, count)?;
    tracing::info!(count, "dead letters dropped through the admin port");
    Ok(json_of(&json!({ "count": count })))
}

/// Reports a number that no dead letter has.
fn at_least_one(seq: Option<i64>, count: usize) -> Result<(), Problem> {
    match (seq, count) {
        (Some(seq), 0) => Err(Problem::new(
            404,
            format!("no dead letter has the number {seq}"),
        )),
        _ => Ok(()),
    }
}

fn outboxes(shared: &Shared) -> Vec<(String, PathBuf)> {
    let outbox = |built: crate::run::components::Built| built.settings.bridge?.outbox;
    let handles = shared.registry.handles();
    handles
        .iter()
        .filter_map(|handle| Some((handle.jid.to_string(), outbox(handle.built())?)))
        .collect()
}

fn which(shared: &Shared, body: &[u8]) -> Result<(PathBuf, Option<i64>), Problem> {
    let wish: Value =
        serde_json::from_slice(body).map_err(|error| Problem::new(400, error.to_string()))?;
    let seq = match &wish["seq"] {
        Value::Null => None,
        number => Some(
            number
                .as_i64()
                .ok_or_else(|| Problem::new(422, "`seq` must be a number"))?,
        ),
    };
    let component = wish["component"].as_str().unwrap_or_default();
    let found = outboxes(shared)
        .into_iter()
        .find(|(jid, _)| jid == component);
    found
        .map(|(_, path)| (path, seq))
        .ok_or_else(|| Problem::new(404, "no component with an outbox has this JID"))
}

/// Requests that wait for the database do so here, rather than on a thread each.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Accesses the database on a blocking thread.
async fn blocking<T: Send + 'static>(
    path: PathBuf,
    ask: impl FnOnce(&Admin) -> Result<T, BoxError> + Send + 'static,
) -> Result<T, Problem> {
    let turn = TURNS.acquire().await;
    let turn = turn.map_err(|error| Problem::new(500, error.to_string()))?;
    let asked = tokio::task::spawn_blocking(move || {
        // The thread outlives a client that disconnects.
        let _turn = turn;
        Admin::open(&path).and_then(|admin| ask(&admin))
    });
    let asked = asked
        .await
        .map_err(|error| Problem::new(500, error.to_string()))?;
    asked.map_err(|error| Problem::new(503, format!("the outbox: {error}")))
}
