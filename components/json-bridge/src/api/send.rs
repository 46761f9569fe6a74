//! `POST` operations: messages, presence, IQ requests, stanzas of any kind, and `/v1/echo`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use campanile::client::{self, ConfirmError, IqError};
use campanile::stanza::{IqType, Kind, Stanza};
use ring::digest;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::caller::Caller;
use super::problem::Problem;
use super::shortcuts::query;
use super::{MAX_BODY, Shared, State};
use crate::bridge::Running;
use crate::clock::now;
use crate::mapping::{self, Mode};
use crate::outbox::{Accepted, Direction, Entry, Key};
use crate::to_server::SendOutcome;

/// Timeout for receiving a request body.
const BODY: Duration = Duration::from_secs(15);
/// Time for which a request waits for the server to confirm a stanza.
const ANSWER: Duration = Duration::from_secs(5);

pub(super) async fn message(shared: State, request: Request) -> Result<Response, Problem> {
    send(&shared, request, "message").await
}

pub(super) async fn presence(shared: State, request: Request) -> Result<Response, Problem> {
    send(&shared, request, "presence").await
}

/// Sends one stanza of any kind, as JSON or as XML.
pub(super) async fn stanza(shared: State, request: Request) -> Result<Response, Problem> {
    send(&shared, request, "").await
}

pub(super) async fn iq(shared: State, request: Request) -> Result<Response, Problem> {
    let caller = shared.callers.find(request.headers())?;
    let read = read(request, "iq").await?;
    ask(&shared.running, caller.address(read.stanza)?).await
}

/// Converts a stanza and returns it as JSON and as XML, without sending it.
pub(super) async fn echo(shared: State, request: Request) -> Result<Response, Problem> {
    shared.callers.find(request.headers())?;
    let stanza = read(request, "").await?.stanza;
    let json = mapping::to_json(&stanza, Mode::Lossless)
        .map_err(|why| Problem::new(422, why.to_string()))?;
    let json: serde_json::Value =
        serde_json::from_str(&json).unwrap_or(serde_json::Value::String(json));
    Ok(as_json(
        StatusCode::OK,
        &json!({"xml": stanza.to_xml(), "json": json}).to_string(),
    ))
}

/// A parsed request.
struct Read {
    stanza: Stanza,
    key: Option<Key>,
}

async fn read(request: Request, kind: &str) -> Result<Read, Problem> {
    let (head, body) = request.into_parts();
    let format = Format::of(&head.headers, kind)?;
    let bytes = whole(body).await?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Problem::new(400, "the body is not UTF-8"))?;
    let stanza = match format {
        Format::Json => mapping::from_json_as(text, kind)?,
        Format::Xml => mapping::from_xml(text)?,
        Format::Form => mapping::from_json_as(&json!(query(Some(text))).to_string(), kind)?,
        Format::Text => {
            let mut keys = query(head.uri.query());
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
    Ok(Read { stanza, key })
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

async fn send(shared: &Shared, request: Request, kind: &str) -> Result<Response, Problem> {
    let caller = shared.callers.find(request.headers())?;
    let Read { stanza, key } = read(request, kind).await?;
    let stanza = caller.address(stanza)?;
    if stanza.kind().is_request() {
        return ask(&shared.running, stanza).await;
    }
    let full = || Problem::new(503, "too many stanzas in flight").retry_after(1);
    let permit = shared.running.to_server.try_reserve().ok_or_else(full)?;
    let id = stanza.id().map_or_else(crate::id::fresh, str::to_owned);
    let stanza = stanza.with_id(&id);
    if shared.running.outbox.is_none() {
        return at_once(shared, stanza, key.is_some(), permit).await;
    }
    keep(shared, caller, stanza, key, permit).await
}

/// Sends a stanza without an outbox: it succeeds only if the server confirms it in time.
async fn at_once(
    shared: &Shared,
    stanza: Stanza,
    keyed: bool,
    _permit: OwnedSemaphorePermit,
) -> Result<Response, Problem> {
    if keyed {
        return Err(Problem::new(
            400,
            "Idempotency-Key needs an outbox, which is disabled in this bridge",
        ));
    }
    let id = stanza.id().unwrap_or_default().to_owned();
    match shared
        .running
        .client
        .send_confirmed_within(stanza, ANSWER)
        .await
    {
        Ok(_) => Ok(accepted(shared, &id, "taken")),
        Err(ConfirmError::Unknown) => Err(Problem::new(
            503,
            format!("the server has not confirmed {id}; it may have been delivered"),
        )),
        Err(ConfirmError::Write(error)) => Err(Problem::new(422, error.to_string())),
        Err(error) => Err(Problem::new(503, format!("not sent: {error}")).retry_after(5)),
    }
}

/// Stores a stanza in the outbox before responding, and sends it until the server confirms it.
async fn keep(
    shared: &Shared,
    caller: &Caller,
    stanza: Stanza,
    key: Option<Key>,
    permit: OwnedSemaphorePermit,
) -> Result<Response, Problem> {
    let Some(outbox) = &shared.running.outbox else {
        return Err(Problem::new(503, "the outbox is disabled"));
    };
    let id = stanza.id().unwrap_or_default().to_owned();
    let peer = stanza
        .to()
        .map(|to| to.to_bare().to_string())
        .unwrap_or_default();
    let entry = Entry {
        seq: 0,
        direction: Direction::ToServer,
        id,
        bot: caller.name.clone(),
        peer,
        xml: stanza.to_xml(),
        received: now(),
    };
    let key = key.map(|key| Key {
        key: format!("{}\n{}", caller.name, key.key),
        ..key
    });
    let entry = match outbox.accept(entry, key).await {
        Ok(Accepted::New(entry)) => *entry,
        Ok(Accepted::Before(id)) => return Ok(accepted(shared, &id, "repeated")),
        Ok(Accepted::Conflict) => {
            return Err(Problem::new(
                422,
                "this Idempotency-Key was used for a different request",
            ));
        }
        Err(error) => return Err(Problem::new(503, error.to_string()).retry_after(5)),
    };
    let id = entry.id.clone();
    let (done, confirmed) = oneshot::channel();
    let to_server = Arc::clone(&shared.running.to_server);
    tokio::spawn(async move {
        let outcome = to_server.send(&stanza, entry.received).await;
        to_server.settle(entry.seq, &outcome);
        drop(permit);
        if let Err(outcome) = done.send(outcome) {
            // The client has already received the state `unknown`.
            outcome.warn(&entry.peer, &entry.id);
        }
    });
    match tokio::time::timeout(ANSWER, confirmed).await {
        Ok(Ok(SendOutcome::Confirmed)) => Ok(accepted(shared, &id, "taken")),
        Ok(Ok(SendOutcome::Invalid(why) | SendOutcome::GivenUp(why))) => {
            Err(Problem::new(422, why))
        }
        // The stanza is stored, and sent with the same id until the server confirms it.
        _ => Ok(accepted(shared, &id, "unknown")),
    }
}

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

fn accepted(shared: &Shared, id: &str, state: &str) -> Response {
    shared.running.delivery.metrics.accepted.add(1);
    as_json(
        StatusCode::ACCEPTED,
        &json!({"id": id, "state": state}).to_string(),
    )
}

pub(super) fn as_json(status: StatusCode, body: &str) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_owned(),
    )
        .into_response()
}
