//! `/api/state`: the status of all components, for the status page and `campanile check`.

use axum::response::Response;
use campanile::component::Status;
use campanile::layer::Outcome;
use serde_json::{Value, json};

use super::access::Figures;
use super::problem::json_of;
use super::{Shared, State, metrics};
use crate::log;
use crate::run::components::ComponentHandle;

/// Maximum number of slow routes shown per component.
const SLOW: usize = 10;

pub(super) async fn state(_: Figures, axum::extract::State(shared): State) -> Response {
    json_of(&all(&shared))
}

fn all(shared: &Shared) -> Value {
    let (ready, ..) = shared.registry.readiness();
    let components: Vec<_> = shared
        .registry
        .handles()
        .iter()
        .map(|handle| component(handle))
        .collect();
    let (errors, warnings) = log::log().map_or((0, 0), |log| log.recent().counts());
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime": shared.registry.began.elapsed().as_secs_f64(),
        "ready": ready,
        "reload_refused": shared.reloads.was_refused(),
        "errors": errors,
        "warnings": warnings,
        "components": components,
    })
}

fn component(handle: &ComponentHandle) -> Value {
    let built = handle.built();
    let stats = handle.stats.counters();
    let levels = handle.stats.gauges();
    let queues = metrics::queue_lengths(&levels, &built.settings.limits);
    let causes = handle
        .stats
        .causes()
        .into_iter()
        .map(|(cause, count)| (cause.as_str().to_owned(), count.into()));
    let counted = |list: &[(&'static str, u64)]| {
        list.iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| ((*name).to_owned(), (*count).into()))
            .collect()
    };
    let queues = queues
        .map(|(name, length, limit)| json!({ "name": name, "length": length, "limit": limit }));
    let bridge = built.settings.bridge.as_ref();
    let outbox = bridge.is_some_and(|bridge| bridge.outbox.is_some());
    let mut value = json!({
        "jid": handle.jid.as_str(),
        "server": built.settings.address.to_string(),
        "tls": built.settings.tls.is_some(),
        "mounted": built.settings.mounted(),
        "ready": handle.is_ready(),
        "keepalive_age": levels.keepalive_age.map(|age| age.as_secs_f64()),
        "streams": stats.connected,
        "sent": stats.sent,
        "stanzas": stanzas(handle),
        "queues": queues,
        "reconnects": causes.collect::<serde_json::Map<_, Value>>(),
        "turned_away": Value::Object(counted(&metrics::turned_away(&stats))),
        "faults": Value::Object(counted(&metrics::faults(&stats))),
        "slow": slow(handle),
        "outbox": outbox,
        "archive": built.settings.logger.is_some(),
    });
    let (state, refused, why) = match &*handle.status.borrow() {
        Status::Connecting => ("connecting", false, None),
        Status::Mounted { .. } => ("mounted", false, None),
        Status::Waiting { why, refused, .. } => ("waiting", *refused, Some(why.clone())),
        _ => ("ended", false, None),
    };
    (value["state"], value["refused"], value["why"]) = (state.into(), refused.into(), why.into());
    value
}

/// Returns the number of stanzas by kind and outcome.
fn stanzas(handle: &ComponentHandle) -> Value {
    let snapshot = handle.metrics.snapshot();
    let kinds = snapshot.latencies().map(|(kind, latency)| {
        let of = |outcome| -> u64 {
            let fits = |(other, is, _): &(_, Outcome, u64)| {
                metrics::label(*other).0 == kind && *is == outcome
            };
            snapshot
                .counts()
                .filter(fits)
                .map(|(.., count)| count)
                .sum()
        };
        let mut counts =
            json!({ "seconds": latency.sum().as_secs_f64(), "count": latency.count() });
        for outcome in Outcome::ALL {
            counts[outcome.as_str()] = of(outcome).into();
        }
        (kind.to_owned(), counts)
    });
    Value::Object(kinds.collect())
}

fn slow(handle: &ComponentHandle) -> Value {
    let routes = handle
        .metrics
        .slow_routes()
        .into_iter()
        .take(SLOW)
        .map(|route| {
            json!({
                "route": route.route,
                "count": route.count,
                "total": route.total.as_secs_f64(),
                "longest": route.longest.as_secs_f64(),
            })
        });
    routes.collect()
}
