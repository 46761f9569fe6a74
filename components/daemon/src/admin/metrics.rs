//! `/metrics`: the metrics listed in METRICS.md.

use std::collections::BTreeSet;

use axum::response::Response;
use campanile::component::Status;
use campanile::layer::Outcome;
use campanile::limits::Limits;
use campanile::metrics::{Counters, Gauges, Requests};
use campanile::stanza::Kind;
use campanile_storage::sqlite::replaced_files;

use super::access::Figures;
use super::problem::typed;
use super::text::Text;
use super::{Shared, State, process};
use crate::log;
use crate::run::components::ComponentHandle;
use crate::run::reload_report::Outcome as Reload;

pub(super) async fn metrics(_: Figures, axum::extract::State(shared): State) -> Response {
    typed("text/plain; version=0.0.4; charset=utf-8", all(&shared))
}

fn all(shared: &Shared) -> String {
    let mut text = Text::default();
    own(&mut text, shared);
    process::add(&mut text, shared.registry.began);
    for handle in shared.registry.handles() {
        link(&mut text, &handle);
        stanzas(&mut text, &handle);
        let jid = handle.jid.as_str();
        let built = handle.built();
        counters(&mut text, jid, &handle.stats.counters());
        queues(
            &mut text,
            jid,
            &handle.stats.gauges(),
            &built.settings.limits,
        );
        requests(&mut text, jid, &handle.stats.requests());
        for metric in built.parts.modules().flat_map(|module| module.metrics()) {
            text.metric(jid, &metric);
        }
    }
    text.finish()
}

fn own(text: &mut Text, shared: &Shared) {
    text.gauge(
        "campanile_build_info",
        "Version of the program; always 1",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1.0,
    );
    for outcome in Reload::ALL {
        let name = "campanile_config_reloads_total";
        let help = "Reloads of the configuration";
        text.counter(
            name,
            help,
            &[("outcome", outcome.as_str())],
            shared.reloads.read(outcome),
        );
    }
    let name = "campanile_config_last_reload_successful";
    let help = "1 unless the last reload was refused";
    text.gauge(name, help, &[], flag(!shared.reloads.was_refused()));
    let help = "Databases whose files were removed or replaced while in use";
    let replaced = replaced_files().len();
    text.size("campanile_database_files_replaced", help, &[], replaced);
    let help = "Panics and failures of background tasks that belong to no component";
    let failures = shared.registry.tasks.count();
    text.counter("campanile_task_failures_total", help, &[], failures);
    let Some(log) = log::log() else { return };
    let (errors, warnings) = log.recent().counts();
    for (level, count) in [("error", errors), ("warn", warnings)] {
        let help = "Warnings and errors, including suppressed ones";
        text.counter(
            "campanile_log_events_total",
            help,
            &[("level", level)],
            count,
        );
    }
    let help = "Log events suppressed because the same line was logged too often";
    text.counter(
        "campanile_log_events_suppressed_total",
        help,
        &[],
        log.suppressed(),
    );
}

fn link(text: &mut Text, handle: &ComponentHandle) {
    let jid = handle.jid.as_str();
    let built = handle.built();
    let status = handle.status.borrow().clone();
    let server = built.settings.address.to_string();
    let mounted = built.settings.mounted();
    let info = [
        ("component", jid),
        ("server", server.as_str()),
        ("mounted", mounted.as_str()),
    ];
    text.gauge(
        "campanile_component_info",
        "Server and modules of each component; always 1",
        &info,
        1.0,
    );
    let component = [("component", jid)];
    let is_mounted = matches!(status, Status::Mounted { .. });
    let refused = matches!(status, Status::Waiting { refused: true, .. });
    for (name, help, is) in [
        (
            "campanile_component_mounted",
            "1 while the component is mounted",
            is_mounted,
        ),
        (
            "campanile_component_ready",
            "1 while the component is mounted and stanzas are known to reach it",
            status.is_ready(),
        ),
        (
            "campanile_component_refused",
            "1 while the server refuses the component until a configuration changes",
            refused,
        ),
    ] {
        text.gauge(name, help, &component, flag(is));
    }
    if let Some(age) = handle.stats.gauges().keepalive_age {
        let name = "campanile_component_keepalive_age_seconds";
        let help = "Age of the last proof that stanzas reach the component";
        text.gauge(name, help, &component, age.as_secs_f64());
    }
    for (cause, count) in handle.stats.causes() {
        let name = "campanile_reconnects_total";
        let help = "Lost connections and failed connection attempts";
        text.counter(
            name,
            help,
            &[("component", jid), ("cause", cause.as_str())],
            count,
        );
    }
}

/// Writes all outcomes of each kind and type of stanza received so far.
fn stanzas(text: &mut Text, handle: &ComponentHandle) {
    let jid = handle.jid.as_str();
    let snapshot = handle.metrics.snapshot();
    let came: BTreeSet<_> = snapshot
        .counts()
        .filter(|(.., count)| *count > 0)
        .map(|(kind, ..)| label(kind))
        .collect();
    for (kind, outcome, count) in snapshot
        .counts()
        .filter(|(kind, ..)| came.contains(&label(*kind)))
    {
        let (kind, class) = label(kind);
        let labels = [
            ("component", jid),
            ("kind", kind),
            ("type", class),
            ("outcome", Outcome::as_str(outcome)),
        ];
        text.counter(
            "campanile_stanzas_total",
            "Stanzas handled, by outcome",
            &labels,
            count,
        );
    }
    for (kind, latency) in snapshot.latencies() {
        let labels = [("component", jid), ("kind", kind)];
        text.seconds(
            "campanile_handler_seconds",
            "Time to handle a stanza",
            &labels,
            latency,
        );
    }
}

/// Returns kind and type of a stanza as labels.
pub(super) fn label(kind: Kind) -> (&'static str, &'static str) {
    (
        kind.name(),
        Some(kind.type_str())
            .filter(|text| !text.is_empty())
            .unwrap_or("available"),
    )
}

fn counters(text: &mut Text, jid: &str, stats: &Counters) {
    let component = [("component", jid)];
    for (name, help, count) in [
        (
            "campanile_streams_opened_total",
            "Streams opened, including the handshake",
            stats.connected,
        ),
        (
            "campanile_keepalive_round_trips_total",
            "Pings to itself that returned",
            stats.round_trips,
        ),
        (
            "campanile_stanzas_sent_total",
            "Stanzas written to the stream",
            stats.sent,
        ),
        (
            "campanile_stanzas_confirmed_total",
            "Stanzas confirmed by the server",
            stats.confirmed,
        ),
        (
            "campanile_stanzas_resent_total",
            "Unconfirmed stanzas written again to a new stream",
            stats.resent,
        ),
        (
            "campanile_stanzas_raw_address_total",
            "Stanzas with an address that is not a valid JID",
            stats.raw_addresses,
        ),
        (
            "campanile_iq_responses_forwarded_total",
            "IQ responses forwarded to another process",
            stats.forwarded,
        ),
    ] {
        text.counter(name, help, &component, count);
    }
    for (reason, count) in turned_away(stats) {
        let name = "campanile_stanzas_turned_away_total";
        let help = "Stanzas rejected before any handler";
        text.counter(name, help, &[("component", jid), ("reason", reason)], count);
    }
    for (fault, count) in faults(stats) {
        let name = "campanile_faults_total";
        let help = "Internal failures";
        text.counter(name, help, &[("component", jid), ("fault", fault)], count);
    }
}

pub(super) fn turned_away(stats: &Counters) -> [(&'static str, u64); 9] {
    [
        ("malformed", stats.malformed),
        ("oversize", stats.oversize),
        ("stray", stats.stray),
        ("unsolicited", stats.unsolicited),
        ("uncollected", stats.uncollected),
        ("unknown", stats.unknown),
        ("shed", stats.shed),
        ("late", stats.late),
        ("after_close", stats.after_close),
    ]
}

pub(super) fn faults(stats: &Counters) -> [(&'static str, u64); 7] {
    [
        ("panic", stats.panics),
        ("fault", stats.faults),
        ("timeout", stats.timeouts),
        ("task", stats.task_failures),
        ("unwritable", stats.unwritable),
        ("stale", stats.stale),
        ("poisoned", stats.poisoned),
    ]
}

fn queues(text: &mut Text, jid: &str, levels: &Gauges, limits: &Limits) {
    for (queue, length, limit) in queue_lengths(levels, limits) {
        let labels = [("component", jid), ("queue", queue)];
        text.size(
            "campanile_queue_length",
            "Current length of a queue",
            &labels,
            length,
        );
        if let Some(limit) = limit {
            text.size("campanile_queue_limit", "Limit of a queue", &labels, limit);
        }
    }
}

/// Returns the name, length and limit of each queue.
pub(super) fn queue_lengths(
    levels: &Gauges,
    limits: &Limits,
) -> [(&'static str, usize, Option<usize>); 5] {
    [
        ("handlers", levels.handlers, Some(limits.in_flight)),
        ("waiting", levels.waiting, Some(limits.waiting)),
        (
            "outbound_bytes",
            levels.outbound_bytes,
            Some(limits.outbound),
        ),
        // Bounded by bytes, not by number.
        ("sending", levels.sending, None),
        ("requests", levels.requests, Some(limits.max_pending_iqs)),
    ]
}

fn requests(text: &mut Text, jid: &str, requests: &Requests) {
    for (outcome, count) in [
        ("result", requests.result),
        ("error", requests.error),
        ("unanswered", requests.unanswered),
        ("disconnected", requests.disconnected),
    ] {
        let labels = [("component", jid), ("outcome", outcome)];
        text.counter(
            "campanile_iq_total",
            "IQ requests sent, by outcome",
            &labels,
            count,
        );
    }
    let name = "campanile_iq_seconds";
    let help = "Time until the response to an IQ request";
    text.seconds(name, help, &[("component", jid)], &requests.latency);
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}
