//! Targets compared with measurements.

use super::Report;
use super::cells::{Cell, small, thousands};
use crate::sample::Sample;

const MIB: f64 = 1024.0;

/// Value compared with a target, for one build of the product.
type Measure = fn(&Build<'_>) -> Option<f64>;

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}
use Bound::{AtLeast, AtMost};

struct Target {
    what: &'static str,
    bound: Bound,
    unit: &'static str,
    measure: Measure,
}

/// Samples, and the names of the peers of one build.
struct Build<'a> {
    samples: &'a [Sample],
    daemon: &'static str,
    library: &'static str,
    /// The program on axum, of the same build.
    axum: &'static str,
}

const TARGETS: &[Target] = &[
    Target {
        what: "echo of a chat message, 150 B, window 256",
        bound: AtMost(1.5),
        unit: "µs CPU",
        measure: |b| b.daemon("chat", 256, cpu),
    },
    Target {
        what: "the same",
        bound: AtLeast(500_000.0),
        unit: "/s",
        measure: |b| b.daemon("chat", 256, rate),
    },
    Target {
        what: "the same, against libstrophe",
        bound: AtLeast(4.0),
        unit: "×",
        measure: |b| b.times("libstrophe"),
    },
    Target {
        what: "the same by a program on the library, against libstrophe",
        bound: AtLeast(5.0),
        unit: "×",
        measure: |b| ratio(b.library("chat", rate), b.peer("libstrophe", "chat", rate)),
    },
    Target {
        what: "the same, CPU time against the byte scanner",
        bound: AtMost(7.0),
        unit: "×",
        measure: |b| ratio(b.daemon("chat", 256, cpu), b.peer("limit", "chat", cpu)),
    },
    Target {
        what: "the same, against xmpp.js",
        bound: AtLeast(5.0),
        unit: "×",
        measure: |b| b.times("xmpp.js"),
    },
    Target {
        what: "echo, body 4 KiB, window 256, against the byte scanner",
        bound: AtLeast(0.6),
        unit: "×",
        measure: |b| {
            ratio(
                b.daemon("chat-4k", 256, rate),
                b.peer("limit", "chat-4k", rate),
            )
        },
    },
    Target {
        what: "the same by a program on the library",
        bound: AtLeast(0.7),
        unit: "×",
        measure: |b| ratio(b.library("chat-4k", rate), b.peer("limit", "chat-4k", rate)),
    },
    Target {
        what: "ping answered",
        bound: AtLeast(300_000.0),
        unit: "/s",
        measure: |b| b.daemon("ping", 256, rate),
    },
    Target {
        what: "disco#info answered",
        bound: AtLeast(300_000.0),
        unit: "/s",
        measure: |b| b.daemon("disco", 256, rate),
    },
    Target {
        what: "body in, text out: CPU time against the library's echo",
        bound: AtMost(1.25),
        unit: "×",
        measure: |b| ratio(b.library("text", cpu), b.library("chat", cpu)),
    },
    Target {
        what: "derived payload in and out: CPU time against body in, text out",
        bound: AtMost(1.8),
        unit: "×",
        measure: |b| ratio(b.library("typed", cpu), b.library("text", cpu)),
    },
    Target {
        what: "whole message in and out, likewise",
        bound: AtMost(2.2),
        unit: "×",
        measure: |b| ratio(b.library("message", cpu), b.library("text", cpu)),
    },
    Target {
        what: "JSON payload in and out, likewise",
        bound: AtMost(1.3),
        unit: "×",
        measure: |b| ratio(b.library("json", cpu), b.library("text", cpu)),
    },
    Target {
        what: "a handler that yields once, likewise",
        bound: AtMost(2.0),
        unit: "×",
        measure: |b| ratio(b.library("yield", cpu), b.library("text", cpu)),
    },
    Target {
        what: "a handler that asks a task: CPU time against axum over HTTP/2",
        bound: AtMost(1.0),
        unit: "×",
        measure: |b| b.against_axum("task"),
    },
    Target {
        what: "a handler that sleeps 1 ms, likewise",
        bound: AtMost(1.0),
        unit: "×",
        measure: |b| b.against_axum("sleep"),
    },
    Target {
        what: "a handler that asks an HTTP server, likewise",
        bound: AtMost(1.0),
        unit: "×",
        measure: |b| b.against_axum("http"),
    },
    Target {
        what: "a handler that asks a pool of connections, likewise",
        bound: AtMost(1.0),
        unit: "×",
        measure: |b| b.against_axum("pool"),
    },
    Target {
        what: "round trip p50, window 1, against raw tokio-xmpp",
        bound: AtMost(1.0),
        unit: "×",
        measure: |b| b.round_trip(),
    },
    Target {
        what: "p99.9, chat, window 256",
        bound: AtMost(20.0),
        unit: "ms",
        measure: |b| b.daemon("chat", 256, |s| s.p999_us / 1e3),
    },
    Target {
        what: "archived on SQLite, window 4096",
        bound: AtLeast(50_000.0),
        unit: "/s",
        measure: |b| b.archive("logger", "logger", rate),
    },
    Target {
        what: "the same at 90 % of the highest rate: time to receipt, p99",
        bound: AtMost(50.0),
        unit: "ms",
        measure: |b| b.archive("logger", "logger-paced", |s| s.p99_us / 1e3),
    },
    Target {
        what: "the same at a tenth: time to receipt",
        bound: AtMost(20.0),
        unit: "ms",
        measure: |b| b.archive("logger", "logger-tenth", |s| s.p50_us / 1e3),
    },
    Target {
        what: "archived on PostgreSQL, window 4096",
        bound: AtLeast(20_000.0),
        unit: "/s",
        measure: |b| b.archive("logger-postgres", "logger", rate),
    },
    Target {
        what: "the same at 90 % of the highest rate: time to receipt, p99",
        bound: AtMost(50.0),
        unit: "ms",
        measure: |b| b.archive("logger-postgres", "logger-paced", |s| s.p99_us / 1e3),
    },
    Target {
        what: "the same at a tenth: time to receipt",
        bound: AtMost(20.0),
        unit: "ms",
        measure: |b| {
            b.archive("logger-postgres", "logger-postgres-tenth", |s| {
                s.p50_us / 1e3
            })
        },
    },
    Target {
        what: "CPU at 1, 100 and 10,000 senders, dearest against cheapest",
        bound: AtMost(1.2),
        unit: "×",
        measure: |b| b.flatness(),
    },
    Target {
        what: "RSS after a million stanzas from 10,000 senders",
        bound: AtMost(15.0),
        unit: "MiB",
        measure: |b| b.daemon("million", 256, |s| s.rss_end_kib as f64 / MIB),
    },
    Target {
        what: "peak RSS, server not reading under flood",
        bound: AtMost(64.0),
        unit: "MiB",
        measure: |b| b.daemon("stall", 256, |s| s.rss_peak_kib as f64 / MIB),
    },
];

/// Returns the target table, empty if the product was not measured.
pub(super) fn table(report: &Report<'_>) -> String {
    let build = |daemon, library, axum| Build {
        samples: &report.samples,
        daemon,
        library,
        axum,
    };
    let release = build("campanile", "library", "axum-h2");
    let dist = build("campanile-dist", "library-dist", "axum-h2-dist");
    let mut text = String::new();
    for target in TARGETS {
        let measured = [(target.measure)(&release), (target.measure)(&dist)];
        if measured.iter().all(Option::is_none) {
            continue;
        }
        let [release, dist] =
            measured.map(|value| value.map_or("–".to_owned(), |value| target.judge(value)));
        text += &format!(
            "| {} | {} | {release} | {dist} |\n",
            target.what,
            target.wanted()
        );
    }
    if text.is_empty() {
        text
    } else {
        format!("| target | wanted | release | dist |\n|---|---|---|---|\n{text}")
    }
}

impl Target {
    fn wanted(&self) -> String {
        match self.bound {
            AtMost(bound) => format!("≤ {} {}", figure(bound), self.unit),
            AtLeast(bound) => format!("≥ {} {}", figure(bound), self.unit),
        }
    }

    fn judge(&self, value: f64) -> String {
        let met = match self.bound {
            AtMost(bound) => value <= bound,
            AtLeast(bound) => value >= bound,
        };
        format!("{} {}", figure(value), if met { "✓" } else { "✗" })
    }
}

impl Build<'_> {
    fn daemon(&self, scenario: &str, window: u32, value: fn(&Sample) -> f64) -> Option<f64> {
        self.median(self.daemon, scenario, window, value)
    }

    fn library(&self, scenario: &str, value: fn(&Sample) -> f64) -> Option<f64> {
        self.median(self.library, scenario, 256, value)
    }

    fn peer(&self, peer: &str, scenario: &str, value: fn(&Sample) -> f64) -> Option<f64> {
        self.median(peer, scenario, 256, value)
    }

    /// Returns an archive measurement, taken on the release build only.
    fn archive(&self, peer: &str, scenario: &str, value: fn(&Sample) -> f64) -> Option<f64> {
        (self.daemon == "campanile").then(|| self.median(peer, scenario, 4096, value))?
    }

    fn times(&self, peer: &str) -> Option<f64> {
        ratio(
            self.daemon("chat", 256, rate),
            self.peer(peer, "chat", rate),
        )
    }

    fn against_axum(&self, scenario: &str) -> Option<f64> {
        ratio(
            self.library(scenario, cpu),
            self.peer(self.axum, scenario, cpu),
        )
    }

    fn round_trip(&self) -> Option<f64> {
        let p50 = |s: &Sample| s.p50_us;
        ratio(
            self.daemon("chat", 1, p50),
            self.median("tokio-xmpp", "chat", 1, p50),
        )
    }

    fn flatness(&self) -> Option<f64> {
        let costs: Option<Vec<f64>> = ["chat", "senders-100", "senders-10000"]
            .iter()
            .map(|scenario| self.daemon(scenario, 256, cpu))
            .collect();
        let costs = costs?;
        Some(
            costs.iter().copied().fold(f64::MIN, f64::max)
                / costs.iter().copied().fold(f64::MAX, f64::min),
        )
    }

    fn median(
        &self,
        peer: &str,
        scenario: &str,
        window: u32,
        value: fn(&Sample) -> f64,
    ) -> Option<f64> {
        Cell::find(self.samples, peer, scenario, window).map(|cell| cell.median(value))
    }
}

fn ratio(value: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(value? / other?)
}

fn cpu(sample: &Sample) -> f64 {
    sample.cpu_us
}

fn rate(sample: &Sample) -> f64 {
    sample.per_second
}

fn figure(value: f64) -> String {
    if value >= 1000.0 {
        thousands(value)
    } else {
        small(value)
    }
}
