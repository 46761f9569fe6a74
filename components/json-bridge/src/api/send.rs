//! `POST` operations: messages, presence, IQ requests, stanzas of any kind, and `/v1/echo`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use campanile::client::ConfirmError;
use campanile::stanza::Stanza;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::ask::ask;
use super::body::{ParsedRequest, as_json, read};
use super::caller::Caller;
use super::problem::Problem;
use super::{Shared, State};
use crate::clock::now;
use crate::mapping::{self, Mode};
use crate::outbox::{Accepted, Direction, Entry, Key};
use crate::to_server::SendOutcome;

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

async fn send(shared: &Shared, request: Request, kind: &str) -> Result<Response, Problem> {
    let caller = shared.callers.find(request.headers())?;
    let ParsedRequest { stanza, key } = read(request, kind).await?;
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
        id: id.clone(),
        bot: caller.name.clone(),
        peer,
        xml: stanza.to_xml(),
        received: now(),
    };
    let key = key.map(|key| Key {
        key: format!("{}\n{}", caller.name, key.key),
        ..key
    });
    let (start, confirmed) = sending(shared, stanza, permit);
    match outbox.accept(entry, key, start).await {
        Ok(Accepted::New) => {}
        Ok(Accepted::Before(before)) => {
            return match before.refused {
                Some(why) => Err(Problem::new(422, why)),
                None => Ok(accepted(shared, &before.id, "repeated")),
            };
        }
        Ok(Accepted::Conflict) => {
            return Err(Problem::new(
                422,
                "this Idempotency-Key was used for a different request",
            ));
        }
        Err(error) => return Err(Problem::new(503, error.to_string()).retry_after(5)),
    }
    match tokio::time::timeout(ANSWER, confirmed).await {
        Ok(Ok(SendOutcome::Confirmed)) => Ok(accepted(shared, &id, "taken")),
        Ok(Ok(SendOutcome::Invalid(why) | SendOutcome::GivenUp(why))) => {
            Err(Problem::new(422, why))
        }
        // The stanza is stored, and sent with the same id until the server confirms it.
        _ => Ok(accepted(shared, &id, "unknown")),
    }
}

/// Returns a function that starts to send the stanza once it is stored, and the outcome.
fn sending(
    shared: &Shared,
    stanza: Stanza,
    permit: OwnedSemaphorePermit,
) -> (
    Box<dyn FnOnce(Entry) + Send>,
    oneshot::Receiver<SendOutcome>,
) {
    let (done, confirmed) = oneshot::channel();
    let to_server = Arc::clone(&shared.running.to_server);
    let runtime = Handle::current();
    let start = move |entry: Entry| {
        runtime.spawn(async move {
            let sending = to_server.send_stored(&stanza, entry.seq, entry.received);
            let outcome = sending.await;
            drop(permit);
            if let Err(outcome) = done.send(outcome) {
                // The client has already received the state `unknown`.
                outcome.warn(&entry.peer, &entry.id);
            }
        });
    };
    (Box::new(start), confirmed)
}

fn accepted(shared: &Shared, id: &str, state: &str) -> Response {
    shared.running.delivery.metrics.accepted.add(1);
    as_json(
        StatusCode::ACCEPTED,
        &json!({"id": id, "state": state}).to_string(),
    )
}
