//! A single delivery attempt.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use campanile::error::BoxError;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::value::RawValue;

use super::connect::{Connector, connector, tls};
use super::explain::explain;
use super::{Answer, Outcome, Webhook, unreachable};
use crate::clock::now;
use crate::mapping::without_bom;

/// Maximum size of a response body.
const MAX_ANSWER: usize = 512 * 1024;
/// Maximum number of header lines of a response. The default of hyper, 100, fails the attempt.
const MAX_HEADERS: usize = 1024;
/// Idle timeout of pooled connections. It is shorter than that of most servers, because a request
/// on a connection that the server has just closed is a wasted attempt.
const IDLE: Duration = Duration::from_secs(4);

type Http = Client<Connector, Full<Bytes>>;

/// Posts stanzas to webhooks over pooled connections.
#[derive(Clone)]
pub(crate) struct Poster {
    trusted: Http,
    guarded: Http,
    /// Clients that trust the certificates of a file in addition to those of the system.
    by_ca: HashMap<PathBuf, Http>,
}

impl std::fmt::Debug for Poster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Poster")
    }
}

impl Poster {
    /// Creates a client for these webhooks.
    ///
    /// # Errors
    /// Returns an error if a file of certificates cannot be read.
    pub(crate) fn new<'w>(webhooks: impl Iterator<Item = &'w Webhook>) -> Result<Self, BoxError> {
        let system = tls(None)?;
        let client = |tls, guarded| {
            Client::builder(TokioExecutor::new())
                .pool_idle_timeout(IDLE)
                .pool_timer(TokioTimer::new())
                .pool_max_idle_per_host(64)
                .http1_max_headers(MAX_HEADERS)
                .build(connector(tls, guarded))
        };
        let mut by_ca = HashMap::new();
        for (path, guarded) in
            webhooks.filter_map(|hook| Some((hook.ca_file.as_ref()?, hook.guarded)))
        {
            by_ca.insert(path.clone(), client(tls(Some(path))?, guarded));
        }
        Ok(Self {
            trusted: client(Arc::clone(&system), false),
            guarded: client(system, true),
            by_ca,
        })
    }

    /// Posts a body with the given `webhook-id`, signed with each secret of the webhook.
    pub(crate) async fn post(&self, hook: &Webhook, id: &str, body: Bytes) -> Outcome {
        let request = match request(hook, id, body) {
            Ok(request) => request,
            Err(error) => return unreachable(error.to_string()),
        };
        let of_ca = hook.ca_file.as_ref().and_then(|path| self.by_ca.get(path));
        let client = of_ca.unwrap_or(if hook.guarded {
            &self.guarded
        } else {
            &self.trusted
        });
        let attempt = async {
            let response = client.request(request).await.map_err(BoxError::from)?;
            read(response).await
        };
        match tokio::time::timeout(hook.timeout, attempt).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => unreachable(explain(&*error, &hook.shown_url())),
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
    // The body is always read to its end, so that the connection can be reused.
    let bytes = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
    Ok(interpret(head.status, &head.headers, bytes))
}

/// Returns the outcome of a complete response.
pub(crate) fn interpret(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Outcome {
    Outcome::of(status, retry_after(headers), answer_of(headers, body))
}

/// Interprets a response body by its content type.
fn answer_of(headers: &HeaderMap, body: Bytes) -> Answer {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let kind = String::from_utf8_lossy(kind.unwrap_or_default());
    let text = String::from_utf8_lossy(&body);
    let text = without_bom(&text).trim();
    if text.is_empty() {
        return Answer::Empty;
    }
    if is_json(&kind) {
        return Answer::Json(body);
    }
    let is_content =
        text.starts_with(['{', '[']) && serde_json::from_str::<&RawValue>(text).is_ok();
    if is_content {
        Answer::Mislabeled(kind.into_owned())
    } else {
        Answer::Empty
    }
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
