//! A single delivery attempt.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use campanile::error::BoxError;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use hyper::{Method, Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::connect::{Connector, connector, tls};
use super::{Outcome, Webhook, unreachable};
use crate::clock::now;

/// Maximum size of a response body.
const MAX_ANSWER: usize = 512 * 1024;
/// Idle timeout of pooled connections. It is shorter than that of most servers, because a request
/// on a connection that the server has just closed is a wasted attempt.
const IDLE: Duration = Duration::from_secs(4);

type Http = Client<Connector, Full<Bytes>>;

/// Posts stanzas to webhooks over pooled connections.
#[derive(Clone)]
pub(crate) struct Poster {
    trusted: Http,
    guarded: Http,
}

impl std::fmt::Debug for Poster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Poster")
    }
}

impl Poster {
    pub(crate) fn new() -> Result<Self, BoxError> {
        let tls = tls()?;
        let client = |guarded| {
            Client::builder(TokioExecutor::new())
                .pool_idle_timeout(IDLE)
                .pool_timer(TokioTimer::new())
                .pool_max_idle_per_host(64)
                .build(connector(Arc::clone(&tls), guarded))
        };
        Ok(Self {
            trusted: client(false),
            guarded: client(true),
        })
    }

    /// Posts a body with the given `webhook-id`, signed with each secret of the webhook.
    pub(crate) async fn post(&self, hook: &Webhook, id: &str, body: Bytes) -> Outcome {
        let request = match request(hook, id, body) {
            Ok(request) => request,
            Err(error) => return unreachable(error.to_string()),
        };
        let client = if hook.guarded {
            &self.guarded
        } else {
            &self.trusted
        };
        let attempt = async {
            let response = client.request(request).await.map_err(BoxError::from)?;
            read(response).await
        };
        match tokio::time::timeout(hook.timeout, attempt).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => unreachable(chain(&*error)),
            Err(_) => unreachable(format!(
                "no response within {} s",
                hook.timeout.as_secs_f32()
            )),
        }
    }
}

fn request(
    hook: &Webhook,
    id: &str,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let timestamp = now() / 1000;
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(hook.url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header(
            "user-agent",
            concat!("campanile/", env!("CARGO_PKG_VERSION")),
        )
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp);
    let signatures: Vec<String> = hook
        .secrets
        .iter()
        .map(|secret| secret.signature(id, timestamp, &body))
        .collect();
    if !signatures.is_empty() {
        request = request.header("webhook-signature", signatures.join(" "));
    }
    request.body(Full::new(body))
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<Outcome, BoxError> {
    let (head, body) = response.into_parts();
    let is_json = head
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(is_json);
    // The body is always read to its end, so that the connection can be reused.
    let bytes = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
    let blank = bytes.iter().all(u8::is_ascii_whitespace);
    let json = (is_json && !blank).then_some(bytes);
    Ok(Outcome::of(head.status, retry_after(&head.headers), json))
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
}

/// Parses `Retry-After`: seconds, or a date in one of the three forms of HTTP (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that does not fit asks for the longest time.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Formats an error with its causes, since hyper's top-level message says little.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
