//! Liveness of the process and readiness of its components.

use std::fmt::Write;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use campanile_storage::sqlite::replaced_files;

use super::State;
use super::access::Figures;
use super::problem::typed;
use crate::escape::Escaped;

/// Succeeds while the process responds. Nothing else is a reason to restart it.
pub(super) async fn live() -> Response {
    typed("text/plain; charset=utf-8", "alive\n")
}

/// Succeeds while every component is mounted, a recent ping through its server has returned, and
/// the files of all databases are in place.
///
/// Clients that may see the status also get the state of each component.
pub(super) async fn ready(
    axum::extract::State(shared): State,
    details: Result<Figures, super::Problem>,
) -> Response {
    let (ready, up, all) = shared.registry.readiness();
    let mut text = if ready {
        "ready\n".to_owned()
    } else {
        "not ready\n".to_owned()
    };
    if details.is_ok() {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{up} of {all} components are ready");
        for handle in shared.registry.handles() {
            let word = if handle.is_ready() {
                "ready"
            } else {
                "NOT READY"
            };
            let _ = writeln!(text, "{}: {word}", handle.jid);
        }
        for replaced in replaced_files() {
            let _ = writeln!(text, "{}: NOT READY", Escaped(&replaced.to_string()));
        }
    }
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, typed("text/plain; charset=utf-8", text)).into_response()
}
