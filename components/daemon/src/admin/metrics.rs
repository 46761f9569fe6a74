//! `/metrics`: everything that METRICS.md lists.

use std::collections::BTreeSet;

use axum::response::Response;
use campanile::component::Status;
use campanile::layer::Outcome;
use campanile::limits::Limits;
use campanile::stanza::Kind;
use campanile::stats::{Levels, Requests, Stats};

use super::access::Figures;
use super::problem::typed;
use super::text::Text;
use super::{Shared, State, process};
use crate::log;
use crate::run::fleet::Member;
use crate::run::reload::Outcome as Reload;

pub(super) async fn metrics(_: Figures, axum::extract::State(shared): State) -> Response {
    typed("text/plain; version=0.0.4; charset=utf-8", all(&shared))
}

fn all(shared: &Shared) -> String {
    let mut text = Text::default();
    own(&mut text, shared);
    process::add(&mut text, shared.fleet.began);
    for member in shared.fleet.members() {
        link(&mut text, &member);
        stanzas(&mut text, &member);
        let jid = member.jid.as_str();
        let made = member.made();
        counters(&mut text, jid, &member.stats.read());
        queues(
            &mut text,
            jid,
            &member.stats.levels(),
            &made.settings.limits,
        );
        requests(&mut text, jid, &member.stats.requests());
        for figure in made.parts.modules().flat_map(|module| module.figures()) {
            text.figure(jid, &figure);
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
        "campanile_log_events_left_out_total",
        help,
        &[],
        log.left_out(),
    );
}

fn link(text: &mut Text, member: &Member) {
    let jid = member.jid.as_str();
    let made = member.made();
    let status = member.status.borrow().clone();
    let server = made.settings.address.to_string();
    let mounted = made.settings.mounted();
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
    if let Some(age) = member.stats.levels().proof_age {
        let name = "campanile_component_proof_age_seconds";
        let help = "How old the last proof is that stanzas reach it";
        text.gauge(name, help, &component, age.as_secs_f64());
    }
    for (cause, count) in member.stats.causes() {
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
fn stanzas(text: &mut Text, member: &Member) {
    let jid = member.jid.as_str();
    let snapshot = member.metrics.snapshot();
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

fn counters(text: &mut Text, jid: &str, stats: &Stats) {
    let component = [("component", jid)];
    for (name, help, count) in [
        (
            "campanile_streams_opened_total",
            "Streams opened, handshake included",
            stats.connected,
        ),
        (
            "campanile_proofs_total",
            "Pings to itself that came back",
            stats.proofs,
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
            "campanile_answers_handed_over_total",
            "Answers that belong to another process",
            stats.handed_over,
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

pub(super) fn turned_away(stats: &Stats) -> [(&'static str, u64); 9] {
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

pub(super) fn faults(stats: &Stats) -> [(&'static str, u64); 6] {
    [
        ("panic", stats.panics),
        ("fault", stats.faults),
        ("timeout", stats.timeouts),
        ("unwritable", stats.unwritable),
        ("stale", stats.stale),
        ("condemned", stats.condemned),
    ]
}

fn queues(text: &mut Text, jid: &str, levels: &Levels, limits: &Limits) {
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
    levels: &Levels,
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
        ("requests", levels.requests, Some(limits.pending)),
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
