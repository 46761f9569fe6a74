//! Bodies of requests in all accepted formats, and of JSON responses.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use campanile::stanza::{IqType, Kind, Stanza};
use ring::digest;
use serde_json::json;

use super::problem::Problem;
use super::query::query;
use crate::mapping::{self, without_bom};
use crate::outbox::Key;

/// Maximum size of a request body, equal to Prosody's stanza size limit.
const MAX_BODY: usize = 512 * 1024;
/// Timeout for receiving a request body.
const BODY: Duration = Duration::from_secs(15);
/// A parsed request.
pub(super) struct ParsedRequest {
    pub(super) stanza: Stanza,
    pub(super) key: Option<Key>,
}

/// Parses a request whose stanza must be of this kind; an empty `kind` allows any.
pub(super) async fn read(request: Request, kind: &str) -> Result<ParsedRequest, Problem> {
    let (head, body) = request.into_parts();
    let format = Format::of(&head.headers, kind)?;
    let bytes = whole(body).await?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Problem::new(400, "the body is not UTF-8"))?;
    let text = without_bom(text);
    if format == Format::Form && text.trim_start().starts_with('{') {
        // curl labels every body as a form.
        let why = "the body is JSON, but its content type says it is a form: send the header \
            `Content-Type: application/json`";
        return Err(Problem::new(415, why));
    }
    let stanza = match format {
        Format::Json => mapping::from_json_as(text, kind)?,
        Format::Xml => mapping::from_xml(text)?,
        Format::Form => mapping::from_json_as(&json!(query(Some(text))?).to_string(), kind)?,
        Format::Text => {
            let mut keys = query(head.uri.query())?;
            keys.insert("body".to_owned(), text.to_owned());
            mapping::from_json_as(&json!(keys).to_string(), kind)?
        }
    };
    if !kind.is_empty() && stanza.kind().name() != kind {
        return Err(
            Problem::new(422, format!("this path accepts only {kind} stanzas")).field("kind"),
        );
    }
    if matches!(stanza.kind(), Kind::Iq(IqType::Result | IqType::Error)) {
        return Err(Problem::new(422, "only requests can be sent: use get or set").field("type"));
    }
    if stanza.kind().is_request() && stanza.children().len() != 1 {
        return Err(Problem::new(
            422,
            "an iq request must have exactly one payload (RFC 6120 §8.2.3)",
        ));
    }
    let target = head
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    let key = key(&head.headers, &[target.as_bytes(), b"\n", &bytes])?;
    Ok(ParsedRequest { stanza, key })
}

/// The format of a request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Xml,
    /// A form, `to=…&body=…`, with string values.
    Form,
    /// The body of a message as plain text. Other keys are taken from the query.
    Text,
}

impl Format {
    /// Determines the format by the content type. XML is accepted only where any kind of stanza is.
    fn of(headers: &HeaderMap, kind: &str) -> Result<Self, Problem> {
        let given = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if given.trim().is_empty() {
            let why = "missing content type: send the header `Content-Type: application/json`";
            return Err(Problem::new(415, why));
        }
        match (
            given
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
                .as_str(),
            kind,
        ) {
            ("application/json", _) => Ok(Self::Json),
            ("application/xmpp+xml" | "application/xml" | "text/xml", "") => Ok(Self::Xml),
            ("application/x-www-form-urlencoded", "message" | "presence") => Ok(Self::Form),
            ("text/plain", "message") => Ok(Self::Text),
            (_, "") => Err(Problem::new(
                415,
                "unsupported content type: send application/json or application/xmpp+xml",
            )),
            (_, "iq") => Err(Problem::new(
                415,
                "unsupported content type: send application/json",
            )),
            _ => Err(Problem::new(
                415,
                "unsupported content type: send application/json or \
                application/x-www-form-urlencoded",
            )),
        }
    }
}

async fn whole(body: Body) -> Result<bytes::Bytes, Problem> {
    match tokio::time::timeout(BODY, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // After an aborted upload there is no client left to read the response.
        Ok(Err(_)) => Err(Problem::new(
            413,
            format!("the body is larger than {MAX_BODY} bytes"),
        )),
        Err(_) => Err(Problem::new(
            408,
            format!("the body was not received within {} s", BODY.as_secs()),
        )),
    }
}

fn key(headers: &HeaderMap, used_for: &[&[u8]]) -> Result<Option<Key>, Problem> {
    let Some(given) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = given
        .to_str()
        .ok()
        .filter(|key| (1..=255).contains(&key.len()));
    let key = key
        .ok_or_else(|| Problem::new(400, "Idempotency-Key must be 1 to 255 ASCII characters"))?
        .to_owned();
    let mut context = digest::Context::new(&digest::SHA256);
    used_for.iter().for_each(|part| context.update(part));
    let digest = context
        .finish()
        .as_ref()
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    Ok(Some(Key { key, digest }))
}

/// Builds a JSON response.
pub(super) fn as_json(status: StatusCode, body: &str) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_owned(),
    )
        .into_response()
}
