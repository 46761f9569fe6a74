//! `/api/state`: how everything stands, for the status page and for `campanile check`.

use axum::response::Response;
use campanile::component::Status;
use campanile::layer::Outcome;
use serde_json::{Value, json};

use super::access::Figures;
use super::problem::json_of;
use super::{Shared, State, metrics};
use crate::log;
use crate::run::fleet::Member;

/// Slow routes that are shown.
const SLOW: usize = 10;

pub(super) async fn state(_: Figures, axum::extract::State(shared): State) -> Response {
    json_of(&all(&shared))
}

fn all(shared: &Shared) -> Value {
    let (ready, ..) = shared.fleet.readiness();
    let components: Vec<_> = shared
        .fleet
        .members()
        .iter()
        .map(|member| component(member))
        .collect();
    let (errors, warnings) = log::log().map_or((0, 0), |log| log.recent().counts());
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime": shared.fleet.began.elapsed().as_secs_f64(),
        "ready": ready,
        "reload_refused": shared.reloads.was_refused(),
        "errors": errors,
        "warnings": warnings,
        "components": components,
    })
}

fn component(member: &Member) -> Value {
    let made = member.made();
    let stats = member.stats.read();
    let levels = member.stats.levels();
    let queues = metrics::queue_lengths(&levels, &made.settings.limits);
    let causes = member
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
    let mut value = json!({
        "jid": member.jid.as_str(),
        "server": made.settings.address.to_string(),
        "tls": made.settings.tls.is_some(),
        "mounted": made.settings.mounted(),
        "ready": member.is_ready(),
        "proof_age": levels.proof_age.map(|age| age.as_secs_f64()),
        "streams": stats.connected,
        "sent": stats.sent,
        "stanzas": stanzas(member),
        "queues": queues.map(|(name, length, limit)| json!({ "name": name, "length": length, "limit": limit })),
        "reconnects": causes.collect::<serde_json::Map<_, Value>>(),
        "turned_away": Value::Object(counted(&metrics::turned_away(&stats))),
        "faults": Value::Object(counted(&metrics::faults(&stats))),
        "slow": slow(member),
        "outbox": made.settings.bridge.as_ref().is_some_and(|bridge| bridge.settings.outbox.is_some()),
        "archive": made.settings.logger.is_some(),
    });
    let (state, refused, why) = match &*member.status.borrow() {
        Status::Connecting => ("connecting", false, None),
        Status::Mounted { .. } => ("mounted", false, None),
        Status::Waiting { why, refused, .. } => ("waiting", *refused, Some(why.clone())),
        _ => ("ended", false, None),
    };
    (value["state"], value["refused"], value["why"]) = (state.into(), refused.into(), why.into());
    value
}

/// How many of each kind ended how.
fn stanzas(member: &Member) -> Value {
    let snapshot = member.metrics.snapshot();
    let latencies = [
        snapshot.iq_latency(),
        snapshot.message_latency(),
        snapshot.presence_latency(),
    ];
    let kinds = ["iq", "message", "presence"]
        .into_iter()
        .zip(latencies)
        .map(|(kind, latency)| {
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

fn slow(member: &Member) -> Value {
    let routes = member
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
