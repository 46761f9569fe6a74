//! Search in the archive of a logger.

use axum::extract::Query as Asked;
use axum::response::Response;
use campanile::jid::{BareJid, Jid};
use campanile_logger::export;
use campanile_logger::store::{Query, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::Content;
use super::problem::{Problem, json_of};
use super::{Shared, State};
use crate::archive_cli::moment;
use crate::store;

/// Maximum number of entries per response.
const MOST: usize = 200;
/// Default number of entries per response.
const USUAL: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// The logger's JID.
    component: String,
    #[serde(default)]
    words: String,
    #[serde(default)]
    archive: String,
    #[serde(default)]
    with: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    /// Returns only entries before this position, for the previous page.
    before: Option<i64>,
    limit: Option<usize>,
}

/// Returns the newest matching entries in chronological order.
pub(super) async fn search(
    _: Content,
    axum::extract::State(shared): State,
    wish: Result<Asked<Wish>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Asked(wish) = wish.map_err(|error| Problem::new(400, reason(&error)))?;
    let query = query(&wish)?;
    let store = store_of(&shared, &wish.component)?;
    let page = store.read(move |backend| backend.page(&query)).await;
    let page = page.map_err(|error| match error {
        StoreError::Query(why) => Problem::new(422, format!("`words`: {why}")),
        error => Problem::new(503, format!("the archive: {error}")),
    })?;
    tracing::info!(
        component = wish.component,
        words = wish.words.split_whitespace().count(),
        with = !wish.with.is_empty(),
        found = page.entries.len(),
        "archive searched through the admin port"
    );
    let entry = |entry| serde_json::from_str::<Value>(&export::json(entry)).unwrap_or_default();
    let before = page
        .entries
        .first()
        .filter(|_| page.more)
        .map(|entry| entry.place.to_string());
    let entries: Vec<_> = page.entries.iter().map(entry).collect();
    Ok(json_of(&json!({ "entries": entries, "before": before })))
}

/// Returns what is wrong with a query string, without the names of the libraries' operations.
fn reason(error: &axum::extract::rejection::QueryRejection) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let cause = causes
        .last()
        .map_or_else(|| error.body_text(), ToString::to_string);
    format!("invalid query: {cause}")
}

fn store_of(shared: &Shared, component: &str) -> Result<campanile_logger::store::Store, Problem> {
    let logger = shared
        .registry
        .handle(component)
        .and_then(|handle| handle.built().settings.logger);
    logger
        .map(|logger| store::store(&logger.store))
        .ok_or_else(|| Problem::new(404, "no logger with this JID"))
}

fn query(wish: &Wish) -> Result<Query, Problem> {
    let wrong = |key: &str, why: String| Problem::new(422, format!("`{key}`: {why}"));
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let time = |key, text: &str| {
        given(text)
            .map(|text| moment(&text))
            .transpose()
            .map_err(|why| wrong(key, why))
    };
    let archive = given(&wish.archive)
        .map(|jid| BareJid::new(&jid))
        .transpose();
    let with = given(&wish.with).map(|jid| Jid::new(&jid)).transpose();
    Ok(Query {
        archive: archive.map_err(|error| wrong("archive", error.to_string()))?,
        with: with.map_err(|error| wrong("with", error.to_string()))?,
        words: wish.words.clone(),
        start: time("since", &wish.since)?,
        end: time("until", &wish.until)?,
        before: wish.before,
        from_end: true,
        limit: wish.limit.unwrap_or(USUAL).clamp(1, MOST),
        ..Query::default()
    })
}
