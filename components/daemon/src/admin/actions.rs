//! What was said lately, what is logged, and reading the configuration anew.

use std::sync::PoisonError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::response::Response;
use serde_json::{Value, json};

use super::access::Content;
use super::problem::{Problem, json_of};
use super::{Shared, State};
use crate::config::unit;
use crate::log::{self, Line, Log};

/// Longest time that a change of the log may last when it says how long.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The last warnings and errors: they name JIDs, and cite servers and webhooks.
pub(super) async fn errors(_: Content) -> Response {
    let lines = log::log()
        .map(|log| log.recent().lines())
        .unwrap_or_default();
    json_of(&lines.iter().map(line).collect())
}

fn line(line: &Line) -> Value {
    let Line {
        level,
        target,
        text,
        first,
        last,
        times,
    } = line;
    let seconds = |time: &SystemTime| {
        time.duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64()
    };
    json!({
        "level": level.as_str().to_ascii_lowercase(), "target": target, "text": text,
        "first": seconds(first), "last": seconds(last), "times": times,
    })
}

pub(super) async fn log(_: Content) -> Result<Response, Problem> {
    Ok(json_of(&json!({ "filter": the_log()?.filter() })))
}

/// `{"filter": "info,campanile::wire=trace", "for": "10m"}`; without a filter it is again as it was
/// at the start.
pub(super) async fn change_log(
    _: Content,
    axum::extract::State(shared): State,
    body: Bytes,
) -> Result<Response, Problem> {
    let wish: Value =
        serde_json::from_slice(&body).map_err(|error| Problem::new(400, error.to_string()))?;
    let filter = wish["filter"].as_str();
    let log = the_log()?;
    let span = match &wish["for"] {
        Value::Null => None,
        Value::String(text) => {
            let span = unit::duration(text).filter(|span| *span <= LONGEST);
            Some(span.ok_or_else(|| {
                Problem::new(422, "`for` is a time of at most a day, as in \"10m\"")
            })?)
        }
        _ => return Err(Problem::new(422, "`for` is a text, as in \"10m\"")),
    };
    log.change(filter)
        .map_err(|why| Problem::new(422, format!("this filter {why}")))?;
    tracing::warn!(filter = log.filter(), span = ?span, "what is logged was changed by the admin \
        port");
    let revert = span.map(|span| {
        tokio::spawn(async move {
            tokio::time::sleep(span).await;
            // What it was at the start was readable then.
            let _ = log.change(None);
            tracing::warn!(
                filter = log.filter(),
                "what is logged is again as it was at the start"
            );
        })
    });
    set_revert(&shared, revert);
    Ok(json_of(&json!({ "filter": log.filter() })))
}

fn set_revert(shared: &Shared, revert: Option<tokio::task::JoinHandle<()>>) {
    let mut current = shared.revert.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(old) = std::mem::replace(&mut *current, revert) {
        old.abort();
    }
}

fn the_log() -> Result<&'static Log, Problem> {
    log::log().ok_or_else(|| Problem::new(503, "there is no log"))
}

/// As SIGHUP does; what comes of it is in the log.
pub(super) async fn reload(
    _: Content,
    axum::extract::State(shared): State,
) -> Result<Response, Problem> {
    match shared.reload.try_send(()) {
        Ok(()) => Ok(json_of(&json!({ "asked": true }))),
        Err(_) => Err(Problem::new(
            409,
            "a reload is under way, or campanile is stopping",
        )),
    }
}
