//! Tables of the comparison with axum, and of the scale rows.

use super::Report;
use super::cells::{Cell, small, thousands};
use super::readme::{WINDOWS, latencies};
use crate::sample::Sample;
use crate::scenario::{self, Scenario};

const MIB: f64 = 1024.0;
/// Scenarios that a program on axum answers, too.
const COMPARED: [&str; 5] = ["chat", "task", "sleep", "http", "pool"];

/// Returns the comparison with axum, by scenario and window: of the dist builds if measured.
pub(super) fn axum(report: &Report<'_>) -> String {
    let dist = report.samples.iter().any(|s| s.peer == "axum-dist");
    let programs = if dist {
        ["library-dist", "axum-h2-dist", "axum-dist"]
    } else {
        ["library", "axum-h2", "axum"]
    };
    let lines: String = COMPARED
        .iter()
        .flat_map(|scenario| WINDOWS.map(|window| (scenario, window)))
        .filter_map(|(scenario, window)| {
            let cells = programs.map(|p| Cell::find(&report.samples, p, scenario, window));
            Some(compared(title_of(scenario), window, &all(cells)?))
        })
        .collect();
    let each = "Campanile | axum, HTTP/2 | axum, HTTP/1.1";
    let head = format!(
        "| | window | stanza/s: {each} | CPU µs: {each} | p50 / p99 / p99.9 µs: {each} |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    headed(&head, &lines)
}

fn all(cells: [Option<Cell<'_>>; 3]) -> Option<[Cell<'_>; 3]> {
    let [a, b, c] = cells;
    Some([a?, b?, c?])
}

fn compared(title: &str, window: u32, cells: &[Cell<'_>; 3]) -> String {
    let columns = |value: &dyn Fn(&Cell<'_>) -> String| cells.each_ref().map(value).join(" | ");
    format!(
        "| {title} | {window} | {} | {} | {} |\n",
        columns(&|cell| thousands(cell.median(rate))),
        columns(&|cell| small(cell.median(cpu))),
        columns(&latencies),
    )
}

/// Returns the rows of 1, 10 and 200 components in one process.
pub(super) fn components(report: &Report<'_>) -> String {
    let names = ["components-1", "components-10", "components-200"];
    let lines: String = names
        .iter()
        .flat_map(|scenario| WINDOWS.map(|window| (scenario, window)))
        .filter_map(|(scenario, window)| {
            let cell = Cell::find(&report.samples, "campanile", scenario, window)?;
            let memory = small(cell.highest(|s| s.rss_peak_kib as f64 / MIB));
            let latencies = latencies(&cell);
            let used = used(&cell);
            let title = title_of(scenario);
            Some(format!(
                "| {title} | {window} | {used} | {latencies} | {memory} |\n"
            ))
        })
        .collect();
    let head = "| | window | stanza/s | CPU µs | of it kernel | load generator busy | p50 / p99 / p99.9 µs | peak RSS MiB |\n\
                |---|---|---|---|---|---|---|---|\n";
    headed(head, &lines)
}

/// Returns the rows of other numbers of worker threads, and of a single core.
pub(super) fn threads(report: &Report<'_>) -> String {
    let mut lines = String::new();
    for scenario in ["chat", "yield-senders", "compute", "logger"] {
        for peer in report.peers.iter().filter(|peer| peer.variant) {
            for window in WINDOWS {
                if let Some(cell) = Cell::find(&report.samples, &peer.name, scenario, window) {
                    let title = title_of(scenario);
                    lines += &format!("| {title} | {} | {} |\n", peer.title, used(&cell));
                }
            }
        }
    }
    let head = "| | program | stanza/s | CPU µs | of it kernel | load generator busy |\n\
                |---|---|---|---|---|---|\n";
    headed(head, &lines)
}

/// Returns the rows of several connections for one JID.
pub(super) fn connections(report: &Report<'_>) -> String {
    let names = [
        "components-1",
        "connections-2",
        "connections-4",
        "yield-senders",
        "yield-2",
        "compute",
        "compute-2",
    ];
    let lines: String = names
        .iter()
        .flat_map(|scenario| WINDOWS.map(|window| (scenario, window)))
        .filter(|&(_, window)| window > 1)
        .filter_map(|(scenario, window)| {
            let cell = Cell::find(&report.samples, "library", scenario, window)?;
            let latencies = latencies(&cell);
            let title = title_of(scenario);
            Some(format!(
                "| {title} | {window} | {} | {latencies} |\n",
                used(&cell)
            ))
        })
        .collect();
    let head = "| | window | stanza/s | CPU µs | of it kernel | load generator busy | p50 / p99 / p99.9 µs |\n\
                |---|---|---|---|---|---|---|\n";
    headed(head, &lines)
}

/// Returns the columns rate, CPU time, share of the kernel, and load generator.
fn used(cell: &Cell<'_>) -> String {
    format!(
        "{} | {} | {:.0} % | {:.0} %",
        thousands(cell.median(rate)),
        small(cell.median(cpu)),
        cell.median(|s| s.kernel_percent),
        cell.median(|s| s.load_busy_percent),
    )
}

fn title_of(name: &str) -> &'static str {
    let named = |scenario: &&Scenario| scenario.name == name;
    scenario::ALL.iter().find(named).map_or("", |s| s.title)
}

fn headed(head: &str, lines: &str) -> String {
    if lines.is_empty() {
        String::new()
    } else {
        format!("{head}{lines}")
    }
}

fn rate(sample: &Sample) -> f64 {
    sample.per_second
}

fn cpu(sample: &Sample) -> f64 {
    sample.cpu_us
}
