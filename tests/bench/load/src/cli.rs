//! Command line options.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::flow::Extent;
use crate::peer::Peer;
use crate::plan;
use crate::scenario::{Flow, Scenario};

/// Measures XMPP components (XEP-0114) under load over loopback TCP.
#[derive(Debug, Parser)]
#[command(name = "bench-load", version)]
pub struct Cli {
    /// Run the main scenarios, three rounds of one second each (default).
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// Run all scenarios and windows, five rounds of two seconds each; takes about an hour.
    #[arg(long)]
    pub full: bool,
    /// Run all scenarios of the tables in the READMEs, three rounds within 25 minutes.
    #[arg(long, conflicts_with_all = ["quick", "full", "window"])]
    pub sitting: bool,
    /// Rewrite the tables in the READMEs from a file written with --json, and exit.
    #[arg(long, value_name = "FILE")]
    pub tables: Option<PathBuf>,
    /// Measure only this peer; can be repeated.
    #[arg(long, value_name = "PEER")]
    pub only: Vec<String>,
    /// Run only this scenario, with all its windows; can be repeated.
    #[arg(long, value_name = "SCENARIO")]
    pub scenario: Vec<String>,
    /// Run only with this window.
    #[arg(long)]
    pub window: Option<u32>,
    /// Number of rounds.
    #[arg(long)]
    pub rounds: Option<u32>,
    /// Measured time of each run, in seconds.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Time for which the server does not read in scenario `stall`, in seconds.
    #[arg(long)]
    pub stall_seconds: Option<f64>,
    /// Number of stanzas in runs of fixed size.
    #[arg(long)]
    pub count: Option<u64>,
    /// Measure another component, too; {port}, {jid}, {secret} and {config} are replaced.
    #[arg(long, value_name = "NAME=COMMAND", value_parser = Peer::parse)]
    pub command: Vec<Peer>,
    /// Write all measurements to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Also write the tables to this file.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// List peers and scenarios, and exit.
    #[arg(long)]
    pub list: bool,
    /// Fill archives with a million entries (see --count) and query them.
    #[arg(long, conflicts_with = "instructions")]
    pub archive: bool,
    /// Run 31 components under a mixed load for minutes, and record the memory of the daemon.
    #[arg(long, conflicts_with_all = ["instructions", "archive"])]
    pub soak: bool,
    /// With --soak: duration in minutes.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub minutes: u64,
    /// With --soak: stanzas per second.
    #[arg(long, default_value_t = 591)]
    pub rate: u32,
    /// With --soak: memory (RSS) above which the run fails, in MiB.
    #[arg(long, default_value_t = 64)]
    pub max_mib: u64,
    /// Count instructions per echoed stanza under callgrind and compare them with the committed
    /// numbers.
    #[arg(long)]
    pub instructions: bool,
    /// With --instructions: write the numbers instead of comparing them.
    #[arg(long, requires = "instructions")]
    pub bless: bool,
    /// Folder of the benchmark.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub bench_dir: PathBuf,
}

/// Time for the timed runs of a sitting: with the memory scenarios and with starting and stopping
/// programs, it takes less than 25 minutes.
const SITTING: Duration = Duration::from_secs(1200);
/// Time to start a program, to read outstanding replies and to stop it, in seconds.
const START_AND_STOP: f64 = 0.3;

impl Cli {
    /// Returns the duration of each of `runs` runs.
    pub fn extent(&self, runs: usize) -> Extent {
        if self.sitting {
            return self.sitting_extent(runs);
        }
        let seconds = |asked: Option<f64>, full: f64, quick: f64| {
            Duration::from_secs_f64(
                asked
                    .unwrap_or(if self.full { full } else { quick })
                    .clamp(0.01, 600.0),
            )
        };
        let warm_up = seconds(None, 1.0, 0.5);
        Extent {
            warm_up,
            warm_up_at_most: warm_up * 6,
            measured: seconds(self.seconds, 2.0, 1.0),
            count: self.entries(),
            stall: seconds(self.stall_seconds, 60.0, 10.0),
        }
    }

    /// Divides the time of a sitting.
    fn sitting_extent(&self, runs: usize) -> Extent {
        let each = SITTING.as_secs_f64() / runs.max(1) as f64 - START_AND_STOP;
        let measured = self.seconds.unwrap_or(each * 0.7).clamp(0.1, 2.0);
        let warm_up = Duration::from_secs_f64(measured * 0.4);
        Extent {
            warm_up,
            warm_up_at_most: warm_up * 2,
            measured: Duration::from_secs_f64(measured),
            count: self.entries(),
            stall: Duration::from_secs_f64(self.stall_seconds.unwrap_or(30.0)),
        }
    }

    /// Returns the number of archive entries.
    pub fn entries(&self) -> u64 {
        self.count.unwrap_or(1_000_000)
    }

    pub fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.full { 5 } else { 3 }).max(1)
    }

    /// Returns the number of rounds of a scenario. Memory varies less than time, so memory
    /// scenarios run once.
    pub fn rounds_of(&self, scenario: &Scenario) -> u32 {
        if matches!(scenario.flow, Flow::Window | Flow::Paced) {
            self.rounds()
        } else {
            self.rounds.unwrap_or(1).max(1)
        }
    }

    pub fn wants_peer(&self, peer: &Peer) -> bool {
        let named = self.only.contains(&peer.name);
        // Variants are measured on request.
        named || self.only.is_empty() && !peer.variant
    }

    /// Returns the windows to run a scenario with, for one peer.
    pub fn windows_of(&self, scenario: &Scenario, peer: &Peer) -> Vec<u32> {
        let named = self.scenario.iter().any(|name| name == scenario.name);
        if !named && !self.scenario.is_empty() {
            return Vec::new();
        }
        if self.sitting {
            return plan::sitting_windows(scenario, peer).to_vec();
        }
        let all = if named || self.full {
            scenario.windows
        } else if scenario.quick {
            // The quick run of `chat` includes the round-trip time.
            let windows = if scenario.name == "chat" { 2 } else { 1 };
            &scenario.windows[..scenario.windows.len().min(windows)]
        } else {
            &[]
        };
        match self.window {
            Some(window) if scenario.flow != Flow::Stall && !all.is_empty() => vec![window],
            _ => all.to_vec(),
        }
    }
}
