//! IQ requests on behalf of API clients.

use axum::http::StatusCode;
use axum::response::Response;
use campanile::client::{self, IqError};
use campanile::stanza::{IqType, Kind, Stanza};
use serde_json::json;

use super::body::as_json;
use super::problem::Problem;
use crate::mapping::{self, Mode};
use crate::state::Running;

/// Sends an IQ request and returns the peer's response, a result or an error.
pub(super) async fn ask(running: &Running, stanza: Stanza) -> Result<Response, Problem> {
    let from = stanza.from().cloned();
    let to = stanza.to().cloned();
    let id = stanza.id().map_or_else(crate::id::fresh, str::to_owned);
    let answer = match running.client.request(client::IqRequest::new(stanza)).await {
        Ok(response) => {
            Stanza::new(Kind::Iq(IqType::Result)).with_children(response.children().clone())
        }
        Err(IqError::Refused(error)) => {
            let body = format!(
                r#"{{"kind":"iq","type":"error","id":{},"error":{}}}"#,
                json!(id),
                mapping::error_json(&error)
            );
            return Ok(as_json(StatusCode::OK, &body));
        }
        Err(IqError::Timeout) => return Err(Problem::new(504, "no response before the timeout")),
        Err(IqError::Write(error)) => return Err(Problem::new(422, error.to_string())),
        Err(IqError::TooMany) => {
            return Err(Problem::new(429, "too many pending iq requests").retry_after(1));
        }
        Err(error) => return Err(Problem::new(503, error.to_string()).retry_after(5)),
    };
    let answer = to.into_iter().fold(answer.with_id(&id), Stanza::with_from);
    let answer = from.into_iter().fold(answer, Stanza::with_to);
    let json = mapping::to_json(&answer, Mode::Lossless)
        .map_err(|why| Problem::new(502, why.to_string()))?;
    Ok(as_json(StatusCode::OK, &json))
}
