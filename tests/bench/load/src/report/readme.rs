//! The tables of the READMEs, by name.

use anyhow::{Result, bail};

use super::Report;
use super::cells::{Cell, rounded, small, thousands};
use super::{scale, tables, targets};
use crate::sample::Sample;
use crate::scenario::{self, Flow, Scenario};

const MIB: f64 = 1024.0;
/// The builds of the product: title, and names and peers of its programs.
type Build = (&'static str, &'static [(&'static str, &'static str)]);
const BUILDS: [Build; 2] = [
    (
        "Release",
        &[
            ("daemon", "campanile"),
            ("library", "library"),
            ("logger, SQLite", "logger"),
            ("logger, PostgreSQL", "logger-postgres"),
        ],
    ),
    (
        "Dist",
        &[("daemon", "campanile-dist"), ("library", "library-dist")],
    ),
];
pub(super) const WINDOWS: [u32; 3] = [1, 256, 4096];

/// Returns a table, empty if it was not measured. The tables that say how fast the product is need
/// a whole sitting, so that a partial file does not shorten them.
pub(super) fn table(report: &Report<'_>, name: &str) -> Result<String> {
    let whole = |table: fn(&Report<'_>) -> String| {
        if is_sitting(report) {
            table(report)
        } else {
            String::new()
        }
    };
    Ok(match name {
        "speed" => whole(speed),
        "notes" => whole(|report| notes(report).unwrap_or_default()),
        "machine" => whole(machine),
        "targets" => whole(targets::table),
        "rows" => whole(|report| BUILDS.iter().map(|build| rows(report, build)).collect()),
        "memory" => whole(tables::memory),
        "axum" => scale::axum(report),
        "components" => scale::components(report),
        "threads" => scale::threads(report),
        "connections" => scale::connections(report),
        other => bail!("no table is called {other}"),
    })
}

fn is_sitting(report: &Report<'_>) -> bool {
    let programs = BUILDS.iter().flat_map(|(_, programs)| &programs[..2]);
    let mut cells = programs.map(|(_, peer)| Cell::find(&report.samples, peer, "chat", 256));
    cells.all(|cell| cell.is_some())
}

/// Returns p50, p99 and p99.9 in microseconds.
pub(super) fn latencies(cell: &Cell<'_>) -> String {
    let quantiles: [fn(&Sample) -> f64; 3] = [|s| s.p50_us, |s| s.p99_us, |s| s.p999_us];
    quantiles
        .map(|quantile| thousands(cell.median(quantile)))
        .join(" / ")
}

/// Returns a sentence about the machine and the sitting.
fn machine(report: &Report<'_>) -> String {
    let rounds = report.samples.iter().map(|s| s.round + 1).max();
    let all = |value: fn(&Sample) -> f64| super::cells::median(report.samples.iter().map(value));
    format!(
        "Measured on {} cores of {} (Linux {}), shared by load generator and component, in {} \
         rounds of {:.1} s. Other processes used {:.0} % of the machine (median).\n",
        report.machine.cores,
        report.machine.cpu,
        report.machine.kernel,
        rounds.unwrap_or(1),
        all(|s| s.seconds),
        all(|s| s.others_percent),
    )
}

/// Returns the comparison of the front page.
fn speed(report: &Report<'_>) -> String {
    let rate = |name: &str| {
        Cell::find(&report.samples, name, "chat", 256).map(|cell| cell.median(|s| s.per_second))
    };
    let own = [
        ("campanile", "**Campanile**, the daemon with all its layers"),
        ("campanile-dist", "the same, built with `--profile dist`"),
        ("library", "**Campanile**, a program on the library"),
        ("library-dist", "the same, built with `--profile dist`"),
    ];
    let foreign = |name: &str| {
        let ours = ["campanile", "library", "logger", "axum", "limit"];
        !ours.iter().any(|prefix| name.starts_with(prefix))
    };
    let mut peers: Vec<_> = report.peers.iter().filter(|p| foreign(&p.name)).collect();
    peers.sort_by(|a, b| {
        rate(&b.name)
            .partial_cmp(&rate(&a.name))
            .unwrap_or_else(|| a.name.cmp(&b.name))
    });
    let mut lines: Vec<(&str, &str)> = own.to_vec();
    lines.extend(peers.iter().map(|p| (p.name.as_str(), p.title.as_str())));
    lines.push(("limit", "for reference: a program that only copies bytes"));
    let lines: String = lines
        .iter()
        .filter_map(|(name, title)| speed_row(report, name, title))
        .collect();
    if lines.is_empty() {
        return lines;
    }
    format!(
        "| | stanzas/s | CPU per stanza | 4 KiB, stanzas/s | ping, stanzas/s | slowest of 1,000 | memory |\n\
         |---|---|---|---|---|---|---|\n{lines}"
    )
}

fn speed_row(report: &Report<'_>, name: &str, title: &str) -> Option<String> {
    let cell = |scenario| Cell::find(&report.samples, name, scenario, 256);
    let chat = cell("chat")?;
    let rate = |scenario| {
        cell(scenario).map_or("not answered".to_owned(), |cell| {
            rounded(cell.median(|s| s.per_second))
        })
    };
    Some(format!(
        "| {title} | {} | {:.1} µs | {} | {} | {} ms | {} MiB |\n",
        rounded(chat.median(|s| s.per_second)),
        chat.median(|s| s.cpu_us),
        rate("chat-4k"),
        rate("ping"),
        small(chat.median(|s| s.p999_us / 1e3)),
        small(chat.highest(|s| s.rss_peak_kib as f64 / MIB)),
    ))
}

/// Returns the sentences below the comparison of the front page.
fn notes(report: &Report<'_>) -> Option<String> {
    let cell = |peer, scenario, window| Cell::find(&report.samples, peer, scenario, window);
    let trip = |peer| Some(thousands(cell(peer, "chat", 1)?.median(|s| s.p50_us)));
    let cpu = |scenario| Some(cell("campanile", scenario, 256)?.median(|s| s.cpu_us));
    let stalled = cell("campanile", "stall", 256)?;
    let dearer = cpu("senders-10000")? / cpu("chat")? - 1.0;
    Some(format!(
        "The round trip of a single message takes {} µs, compared with {} for tokio-xmpp, {} for slixmpp and {} for the program that copies\n\
         bytes. With 10,000 senders instead of one, a message costs {:.0} % {}. After a million messages from 10,000 senders, the daemon uses {:.1} MiB;\n\
         with a server that reads nothing for {:.0} s during a flood, at most {:.1} MiB.\n",
        trip("campanile")?,
        trip("tokio-xmpp")?,
        trip("slixmpp")?,
        trip("limit")?,
        dearer.abs() * 100.0,
        if dearer < 0.0 { "less" } else { "more" },
        cell("campanile", "million", 256)?.highest(|s| s.rss_end_kib as f64 / MIB),
        stalled.median(|s| s.stall.map_or(0.0, |stall| stall.seconds)),
        stalled.highest(|s| s.rss_peak_kib as f64 / MIB),
    ))
}

/// Returns throughput, CPU time and latency of every scenario, for one build.
fn rows(report: &Report<'_>, (title, programs): &Build) -> String {
    let lines: String = programs
        .iter()
        .flat_map(|(of, peer)| {
            let scenarios = scenario::ALL.iter().filter(|s| s.flow == Flow::Window);
            scenarios.filter_map(move |scenario| row(report, of, peer, scenario))
        })
        .collect();
    if lines.is_empty() {
        return lines;
    }
    format!(
        "\n{title}:\n\n| | of | stanza/s, window 256 | window 4096 | CPU µs, window 256 | window 4096 \
         | p50 / p99 / p99.9 µs, window 1 | window 256 | window 4096 |\n|---|---|---|---|---|---|---|---|---|\n{lines}\n"
    )
}

fn row(report: &Report<'_>, of: &str, peer: &str, scenario: &Scenario) -> Option<String> {
    let cells = WINDOWS.map(|window| Cell::find(&report.samples, peer, scenario.name, window));
    if cells.iter().all(Option::is_none) {
        return None;
    }
    let show = |i: usize, value: &dyn Fn(&Cell<'_>) -> String| {
        cells[i].as_ref().map_or("–".to_owned(), value)
    };
    let rate = |cell: &Cell<'_>| thousands(cell.median(|s| s.per_second));
    let cpu = |cell: &Cell<'_>| small(cell.median(|s| s.cpu_us));
    Some(format!(
        "| {} | {of} | {} | {} | {} | {} | {} | {} | {} |\n",
        scenario.title,
        show(1, &rate),
        show(2, &rate),
        show(1, &cpu),
        show(2, &cpu),
        show(0, &latencies),
        show(1, &latencies),
        show(2, &latencies),
    ))
}
