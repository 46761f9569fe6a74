//! Markdown tables: an overview, memory, and details by scenario and window.

use super::Report;
use super::cells::{Cell, small, thousands};
use crate::ledger::Faults;
use crate::peer::Peer;
use crate::sample::Sample;
use crate::scenario::{self, Flow, Scenario};

const MIB: f64 = 1024.0;

/// Returns the overview table for the README: throughput, CPU and latency by component.
pub(super) fn overview(report: &Report<'_>) -> String {
    let head = "| component | chat 150 B, window 256: stanza/s | CPU µs | body 4 KiB, window 256: stanza/s | ping, window 256: stanza/s \
                | round trip p50 µs (window 1) | p99.9 ms (chat, window 256) | peak RSS MiB |\n|---|---|---|---|---|---|---|---|\n";
    let mut peers = report.peers.clone();
    let rate = |peer: &Peer| {
        Cell::find(&report.samples, &peer.name, "chat", 256)
            .map_or(0.0, |cell| cell.median(per_second))
    };
    peers.retain(|peer| rate(peer) > 0.0);
    peers.sort_by(|a, b| rate(b).total_cmp(&rate(a)));
    let rows: String = peers
        .iter()
        .map(|peer| overview_row(report, peer))
        .collect();
    if rows.is_empty() {
        rows
    } else {
        format!("{head}{rows}")
    }
}

/// Returns the memory table: after many stanzas, and while the server does not read.
pub(super) fn memory(report: &Report<'_>) -> String {
    let rows: String = report
        .peers
        .iter()
        .filter_map(|peer| memory_row(report, peer))
        .collect();
    if rows.is_empty() {
        return rows;
    }
    let stall = report
        .samples
        .iter()
        .find_map(|sample| sample.stall)
        .map_or(0.0, |stall| stall.seconds);
    format!(
        "| component | RSS MiB after many stanzas of 10,000 senders | how many | peak RSS MiB, server not reading for {stall:.0} s | sent meanwhile \
         | answered | of these rejected | unanswered | reconnects | replies afterwards |\n|---|---|---|---|---|---|---|---|---|---|\n{rows}"
    )
}

/// Returns the detailed tables by scenario and window.
pub(super) fn details(report: &Report<'_>) -> String {
    let mut text = String::new();
    for scenario in scenario::ALL
        .iter()
        .filter(|scenario| scenario.flow != Flow::Stall)
    {
        let mut windows: Vec<u32> = report
            .samples
            .iter()
            .filter(|s| s.scenario == scenario.name)
            .map(|s| s.window)
            .collect();
        windows.sort_unstable();
        windows.dedup();
        windows
            .iter()
            .for_each(|&window| text += &detail(report, scenario, window));
    }
    text
}

fn overview_row(report: &Report<'_>, peer: &Peer) -> String {
    let cell = |scenario, window| Cell::find(&report.samples, &peer.name, scenario, window);
    let rate = |scenario| {
        show(cell(scenario, 256), |cell| {
            cell.spread(per_second, thousands)
        })
    };
    let peak = report
        .samples
        .iter()
        .filter(|s| s.peer == peer.name && s.stall.is_none())
        .map(|s| s.rss_peak_kib)
        .max();
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {:.1} |\n",
        peer.title,
        rate("chat"),
        show(cell("chat", 256), |cell| small(cell.median(|s| s.cpu_us))),
        rate("chat-4k"),
        rate("ping"),
        show(cell("chat", 1), |cell| thousands(cell.median(|s| s.p50_us))),
        show(cell("chat", 256), |cell| cell
            .spread(|s| s.p999_us / 1e3, small)),
        peak.unwrap_or(0) as f64 / MIB,
    )
}

fn memory_row(report: &Report<'_>, peer: &Peer) -> Option<String> {
    let million = Cell::find(&report.samples, &peer.name, "million", 256);
    let stalled = Cell::find(&report.samples, &peer.name, "stall", 256);
    if million.is_none() && stalled.is_none() {
        return None;
    }
    let (rss, count) = million.map_or(("–".to_owned(), "–".to_owned()), |cell| {
        (
            small(cell.highest(|s| s.rss_end_kib as f64 / MIB)),
            thousands(cell.highest(|s| s.stanzas as f64)),
        )
    });
    let rest = stalled.map_or(
        "– | – | – | – | – | – | –".to_owned(),
        |cell| stall_columns(&cell),
    );
    Some(format!("| {} | {rss} | {count} | {rest} |\n", peer.title))
}

/// Returns the columns of the run with the highest peak.
fn stall_columns(cell: &Cell<'_>) -> String {
    let worst = cell
        .samples()
        .iter()
        .max_by_key(|sample| sample.rss_peak_kib);
    let Some((sample, stall)) = worst.and_then(|sample| Some((sample, sample.stall?))) else {
        return String::new();
    };
    let number = |value: u64| thousands(value as f64);
    format!(
        "{}{} | {} | {} | {} | {} | {} | {}",
        small(sample.rss_peak_kib as f64 / MIB),
        if stall.cut_short { " (cut short)" } else { "" },
        number(stall.sent),
        number(stall.answered),
        number(stall.refused),
        number(stall.unanswered),
        stall.reconnects,
        if stall.alive { "yes" } else { "**no**" },
    )
}

fn detail(report: &Report<'_>, scenario: &Scenario, window: u32) -> String {
    let mut text = format!(
        "\n**{}, window {window}** (`{}`)\n\n| component | stanza/s | CPU µs | p50 µs | p99 µs | p99.9 µs | peak RSS MiB | load generator busy | faults |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        scenario.title, scenario.name,
    );
    for peer in &report.peers {
        let Some(cell) = Cell::find(&report.samples, &peer.name, scenario.name, window) else {
            continue;
        };
        text += &format!(
            "| {} | {} | {} | {} | {} | {} | {} | {:.0} % | {} |\n",
            peer.title,
            cell.spread(per_second, thousands),
            cell.spread(|s| s.cpu_us, small),
            thousands(cell.median(|s| s.p50_us)),
            thousands(cell.median(|s| s.p99_us)),
            cell.spread(|s| s.p999_us, thousands),
            small(cell.highest(|s| s.rss_peak_kib as f64 / MIB)),
            cell.median(|s| s.load_busy_percent),
            faults(&cell),
        );
    }
    text
}

fn faults(cell: &Cell<'_>) -> String {
    let sum = |of: fn(&Faults) -> u64| {
        cell.samples()
            .iter()
            .map(|sample| of(&sample.faults))
            .sum::<u64>()
    };
    let kinds = [
        ("errors", sum(|f| f.errors)),
        ("wrong", sum(|f| f.wrong)),
        ("reordered", sum(|f| f.reordered)),
        ("stray", sum(|f| f.stray)),
        ("unanswered", sum(|f| f.unanswered)),
    ];
    let said: Vec<_> = kinds
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(kind, n)| format!("{n} {kind}"))
        .collect();
    if said.is_empty() {
        "none".to_owned()
    } else {
        said.join(", ")
    }
}

fn per_second(sample: &Sample) -> f64 {
    sample.per_second
}

fn show(cell: Option<Cell<'_>>, value: impl Fn(&Cell<'_>) -> String) -> String {
    cell.as_ref().map_or("–".to_owned(), value)
}
