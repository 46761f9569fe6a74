//! `/metrics`: everything that METRICS.md lists.

use std::collections::BTreeSet;

use axum::response::Response;
use campanile::component::Status;
use campanile::layer::Outcome;
use campanile::limits::Limits;
use campanile::metrics::{Counters, Gauges, Requests};
use campanile::stanza::Kind;

use super::access::Figures;
use super::problem::typed;
use super::text::Text;
use super::{Shared, State, process};
use crate::log;
use crate::run::components::ComponentHandle;
use crate::run::reload::Outcome as Reload;

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
        "Which version this is",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1.0,
    );
    for outcome in Reload::ALL {
        let name = "campanile_config_reloads_total";
        let help = "Times that the configuration was read anew";
        text.counter(
            name,
            help,
            &[("outcome", outcome.as_str())],
            shared.reloads.read(outcome),
        );
    }
    let name = "campanile_config_last_reload_successful";
    let help = "Whether the last reload was taken";
    text.gauge(name, help, &[], flag(!shared.reloads.was_refused()));
    let Some(log) = log::log() else { return };
    let (errors, warnings) = log.recent().counts();
    for (level, count) in [("error", errors), ("warn", warnings)] {
        let help = "Warnings and errors, those left out of the log included";
        text.counter(
            "campanile_log_events_total",
            help,
            &[("level", level)],
            count,
        );
    }
    let help = "Events that came too often and were left out of the log";
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
        "Where each component connects to, and what is mounted",
        &info,
        1.0,
    );
    let component = [("component", jid)];
    let is_mounted = matches!(status, Status::Mounted { .. });
    let refused = matches!(status, Status::Waiting { refused: true, .. });
    for (name, help, is) in [
        (
            "campanile_component_mounted",
            "Whether the server has taken the handshake",
            is_mounted,
        ),
        (
            "campanile_component_ready",
            "Whether it is mounted and stanzas are known to reach it",
            status.is_ready(),
        ),
        (
            "campanile_component_refused",
            "Whether the server refuses it until somebody changes a configuration",
            refused,
        ),
    ] {
        text.gauge(name, help, &component, flag(is));
    }
    if let Some(age) = handle.stats.gauges().keepalive_age {
        let name = "campanile_component_keepalive_age_seconds";
        let help = "How old the last proof is that stanzas reach it";
        text.gauge(name, help, &component, age.as_secs_f64());
    }
    for (cause, count) in handle.stats.causes() {
        let name = "campanile_reconnects_total";
        let help = "Links lost and attempts that failed";
        text.counter(
            name,
            help,
            &[("component", jid), ("cause", cause.as_str())],
            count,
        );
    }
}

/// All outcomes of each kind and type that ever came.
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
            "Stanzas handled, by what became of them",
            &labels,
            count,
        );
    }
    let latencies = [
        ("iq", snapshot.iq_latency()),
        ("message", snapshot.message_latency()),
        ("presence", snapshot.presence_latency()),
    ];
    for (kind, latency) in latencies {
        let labels = [("component", jid), ("kind", kind)];
        text.seconds(
            "campanile_handler_seconds",
            "How long stanzas took to be handled",
            &labels,
            latency,
        );
    }
}

/// Kind and type as on the wire.
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
            "Streams opened, handshake included",
            stats.connected,
        ),
        (
            "campanile_keepalive_round_trips_total",
            "Pings to itself that came back",
            stats.round_trips,
        ),
        (
            "campanile_stanzas_sent_total",
            "Stanzas written to the stream",
            stats.sent,
        ),
        (
            "campanile_stanzas_confirmed_total",
            "Stanzas that the server is known to have taken",
            stats.confirmed,
        ),
        (
            "campanile_stanzas_resent_total",
            "Stanzas written to one more stream",
            stats.resent,
        ),
        (
            "campanile_iq_responses_forwarded_total",
            "Answers that belong to another process",
            stats.forwarded,
        ),
    ] {
        text.counter(name, help, &component, count);
    }
    for (reason, count) in turned_away(stats) {
        let name = "campanile_stanzas_turned_away_total";
        let help = "Stanzas that reached no handler";
        text.counter(name, help, &[("component", jid), ("reason", reason)], count);
    }
    for (fault, count) in faults(stats) {
        let name = "campanile_faults_total";
        let help = "What went wrong on our side";
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

pub(super) fn faults(stats: &Counters) -> [(&'static str, u64); 6] {
    [
        ("panic", stats.panics),
        ("fault", stats.faults),
        ("timeout", stats.timeouts),
        ("unwritable", stats.unwritable),
        ("stale", stats.stale),
        ("poisoned", stats.poisoned),
    ]
}

fn queues(text: &mut Text, jid: &str, levels: &Gauges, limits: &Limits) {
    for (queue, length, limit) in queue_lengths(levels, limits) {
        let labels = [("component", jid), ("queue", queue)];
        text.size("campanile_queue_length", "What waits now", &labels, length);
        if let Some(limit) = limit {
            text.size("campanile_queue_limit", "How much may wait", &labels, limit);
        }
    }
}

/// What waits, how much of it there is, and how much there may be.
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
        // Bounded by its bytes, and not by how many there are.
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
            "IQ requests of ours, by what became of them",
            &labels,
            count,
        );
    }
    let name = "campanile_iq_seconds";
    let help = "How long answers to IQ requests of ours took";
    text.seconds(name, help, &[("component", jid)], &requests.latency);
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}
