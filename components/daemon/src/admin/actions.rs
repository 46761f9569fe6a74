//! Recent errors, the log filter, and reloads.

use campanile::settings::{parse_duration, rough_duration};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::access::Content;
use super::problem::{Problem, json_of};
use super::{Shared, State};
use crate::log::{self, Line, Log};
use crate::run::reload_report::{Outcome, ReloadFault};

/// Longest duration of a temporary log filter.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Returns the last warnings and errors. They contain JIDs, and text from servers and webhooks.
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

/// A change of the log filter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogChange {
    /// The new filter; without one, the initial filter is restored.
    filter: Option<String>,
    /// The duration of the change; without one, it lasts until the next restart.
    #[serde(rename = "for")]
    span: Option<String>,
}

/// Changes the log filter: `{"filter": "info,campanile::wire=trace", "for": "10m"}`.
///
/// Without `filter`, restores the initial one.
pub(super) async fn change_log(
    _: Content,
    axum::extract::State(shared): State,
    body: Bytes,
) -> Result<Response, Problem> {
    let change: LogChange = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(422, format!("invalid request: {error}")))?;
    let filter = change.filter.as_deref();
    let log = the_log()?;
    let span = match &change.span {
        None => None,
        Some(text) => {
            let span = parse_duration(text).filter(|span| *span <= LONGEST);
            Some(span.ok_or_else(|| {
                Problem::new(
                    422,
                    "`for` must be a duration of at most one day, such as \"10m\"",
                )
            })?)
        }
    };
    log.change(filter)
        .map_err(|why| Problem::new(422, format!("the filter {why}")))?;
    let lasts = span.map_or_else(
        || "until restart".to_owned(),
        |span| format!("for {}", rough_duration(span)),
    );
    tracing::warn!(
        "log filter: {}, {lasts}; changed through the admin port",
        log.filter()
    );
    let revert = span.map(|span| {
        let reset = async move {
            tokio::time::sleep(span).await;
            // The initial filter is valid.
            let _ = log.change(None);
            tracing::warn!("log filter: {}, as at the start", log.filter());
        };
        let tasks = shared.registry.tasks.clone();
        tokio::spawn(async move {
            tasks.catch("log filter", reset).await;
        })
    });
    set_revert(&shared, revert);
    Ok(json_of(&json!({ "filter": log.filter() })))
}

fn set_revert(shared: &Shared, revert: Option<tokio::task::JoinHandle<()>>) {
    let mut current = shared.revert.lock();
    if let Some(old) = std::mem::replace(&mut *current, revert) {
        old.abort();
    }
}

fn the_log() -> Result<&'static Log, Problem> {
    log::log().ok_or_else(|| Problem::new(503, "logging is not initialized"))
}

/// Reloads the configuration, as SIGHUP does, and returns the outcome with all faults.
pub(super) async fn reload(
    _: Content,
    axum::extract::State(shared): State,
) -> Result<Response, Problem> {
    let (report, reported) = oneshot::channel();
    if shared.reload.try_send(report).is_err() {
        return Err(Problem::new(
            409,
            "a reload is in progress, or campanile is shutting down",
        ));
    }
    // Dropped without a report at a shutdown.
    let Ok(report) = reported.await else {
        return Err(Problem::new(503, "campanile is shutting down"));
    };
    let faults: Vec<Value> = report.faults.iter().map(ReloadFault::to_json).collect();
    let outcome = report.outcome.as_str();
    if report.outcome == Outcome::Refused {
        let detail = "reload refused; the old configuration stays in force";
        return Err(Problem::new(422, detail)
            .with("outcome", outcome.into())
            .with("faults", faults.into()));
    }
    Ok(json_of(&json!({ "outcome": outcome, "faults": faults })))
}
