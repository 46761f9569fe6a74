//! Whether the process lives, and whether stanzas reach its components.

use std::fmt::Write;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::State;
use super::access::Figures;
use super::problem::typed;

/// The process answers. Everything else is no reason to start it anew.
pub(super) async fn live() -> Response {
    typed("text/plain; charset=utf-8", "alive\n")
}

/// Each component has been taken by its server, and its ping through the server came back lately.
/// Who may see figures sees which ones.
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
    }
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, typed("text/plain; charset=utf-8", text)).into_response()
}
