//! `GET /v1/events`: events as Server-Sent Events or NDJSON, from the reader's own cursor.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::State;
use super::problem::Problem;
use super::query::query;
use crate::events::Feed;
use crate::outbox::Event;

/// Interval of heartbeats on an idle stream, which let both sides detect a dead connection.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Streams the events that the client may read, starting at its cursor.
///
/// A slow reader does not block others, because each reads from the feed at its own pace. A reader
/// that has missed events that are no longer kept gets a `gap` event.
pub(super) async fn events(
    shared: State,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = shared.callers.find(&headers)?;
    let query = query(text.as_deref())?;
    let feed = shared.running.feed.clone();
    let cursor = cursor(&query, &headers, &feed)?;
    let limit = query.get("limit").map(|text| {
        text.parse()
            .map_err(|_| Problem::new(400, "expected a number").field("limit"))
    });
    let full = || Problem::new(503, "too many event readers").retry_after(30);
    let own = Arc::clone(&caller.readers)
        .try_acquire_owned()
        .map_err(|_| full())?;
    let shared = Arc::clone(&shared.readers)
        .try_acquire_owned()
        .map_err(|_| full())?;
    let is_sse = !headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| text.contains("ndjson"));
    let reader = Reader {
        changed: feed.watch(),
        feed,
        bot: caller.feed().to_owned(),
        cursor,
        filter: Filter::of(&query),
        left: limit.transpose()?.unwrap_or(u64::MAX),
        is_sse,
        _permits: [own, shared],
    };
    let kind = if is_sse {
        "text/event-stream"
    } else {
        "application/x-ndjson"
    };
    let body = Body::from_stream(reader.stream());
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], body).into_response())
}

fn cursor(
    query: &HashMap<String, String>,
    headers: &HeaderMap,
    feed: &Feed,
) -> Result<i64, Problem> {
    let header = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    match header.or(query.get("since").map(String::as_str)) {
        Some(text) => text
            .parse()
            .ok()
            .filter(|&cursor: &i64| cursor >= 0)
            .ok_or_else(|| Problem::new(400, "expected an event id").field("since")),
        None => feed
            .latest()
            .map_err(|error| Problem::new(503, error.to_string())),
    }
}

/// The filter of a reader: parameters and their required values.
///
/// The values of `from` and `to` are full JIDs, bare JIDs or domains.
#[derive(Debug)]
struct Filter(Vec<(&'static str, String)>);

impl Filter {
    const KEYS: [&str; 6] = ["kind", "type", "from", "to", "namespace", "datatype"];

    fn of(query: &HashMap<String, String>) -> Self {
        let of = |key: &'static str| Some((key, query.get(key)?.clone()));
        Self(Self::KEYS.into_iter().filter_map(of).collect())
    }

    fn wants(&self, event: &Event) -> bool {
        let labels = &event.labels;
        let holds = |(key, wanted): &(&str, String)| match *key {
            "kind" => labels.kind == *wanted,
            "type" => labels.type_ == *wanted,
            "from" => is_of(&labels.from, wanted),
            "to" => is_of(&labels.to, wanted),
            "namespace" => labels.namespaces.contains(wanted),
            _ => labels.datatypes.contains(wanted),
        };
        self.0.iter().all(holds)
    }
}

/// Returns `true` if `wanted` is the JID, its bare JID or its domain.
fn is_of(jid: &str, wanted: &str) -> bool {
    let bare = jid.split('/').next().unwrap_or_default();
    let domain = bare.rsplit('@').next().unwrap_or_default();
    [jid, bare, domain].contains(&wanted)
}

struct Reader {
    feed: Feed,
    changed: watch::Receiver<i64>,
    bot: String,
    cursor: i64,
    filter: Filter,
    left: u64,
    is_sse: bool,
    _permits: [OwnedSemaphorePermit; 2],
}

impl Reader {
    fn stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        stream::unfold(self, |mut reader| async move {
            let chunk = reader.next().await?;
            Some((Ok(Bytes::from(chunk)), reader))
        })
    }

    /// Returns the next chunk of the stream: a page of events or a heartbeat.
    async fn next(&mut self) -> Option<String> {
        while self.left > 0 {
            self.changed.borrow_and_update();
            let page = match self.feed.page(&self.bot, self.cursor).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!("event read failed: {error}");
                    return None;
                }
            };
            let mut text = String::new();
            if let Some(oldest) = page.gap {
                // The next page begins there, also if the cursor was beyond the end.
                self.cursor = oldest.saturating_sub(1);
                return Some(self.gap(oldest));
            }
            for event in &page.events {
                self.cursor = event.seq;
                if self.left > 0 && self.filter.wants(event) {
                    self.left -= 1;
                    text.push_str(&self.line(event));
                }
            }
            if !text.is_empty() {
                return Some(text);
            }
            if page.events.is_empty()
                && tokio::time::timeout(HEARTBEAT, self.changed.changed())
                    .await
                    .is_err()
            {
                return Some(if self.is_sse { ":\n\n" } else { "\n" }.to_owned());
            }
        }
        None
    }

    fn line(&self, event: &Event) -> String {
        let seq = event.seq;
        let bot = Value::from(event.bot.as_str());
        let json = one_line(&event.json);
        if self.is_sse {
            return format!("id: {seq}\ndata: {json}\n\n");
        }
        format!("{{\"id\":{seq},\"bot\":{bot},\"stanza\":{json}}}\n")
    }

    fn gap(&self, oldest: i64) -> String {
        if self.is_sse {
            // The id moves the cursor of the reader, so that the gap is reported once.
            let before = oldest.saturating_sub(1);
            return format!("id: {before}\nevent: gap\ndata: {{\"oldest\":{oldest}}}\n\n");
        }
        format!("{{\"gap\":{{\"oldest\":{oldest}}}}}\n")
    }
}

/// Replaces line breaks by spaces. In valid JSON they occur only between tokens.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}
