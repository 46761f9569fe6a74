//! Command line options.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::flow::Extent;
use crate::peer::Peer;
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

impl Cli {
    pub fn extent(&self) -> Extent {
        let seconds = |asked: Option<f64>, full: f64, quick: f64| {
            Duration::from_secs_f64(
                asked
                    .unwrap_or(if self.full { full } else { quick })
                    .clamp(0.01, 600.0),
            )
        };
        Extent {
            warm_up: seconds(None, 1.0, 0.5),
            measured: seconds(self.seconds, 2.0, 1.0),
            count: self.entries(),
            stall: seconds(self.stall_seconds, 60.0, 10.0),
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
        self.only.is_empty() || self.only.contains(&peer.name)
    }

    /// Returns the windows to run a scenario with.
    pub fn windows_of(&self, scenario: &Scenario) -> Vec<u32> {
        let named = self.scenario.iter().any(|name| name == scenario.name);
        let all = if named || self.full {
            scenario.windows
        } else if self.scenario.is_empty() && scenario.quick {
            // The quick run of `chat` includes the round-trip time.
            &scenario.windows[..scenario.windows.len().min(if scenario.name == "chat" {
                2
            } else {
                1
            })]
        } else {
            &[]
        };
        let all = if named || self.scenario.is_empty() {
            all
        } else {
            &[]
        };
        match self.window {
            Some(window) if scenario.flow != Flow::Stall && !all.is_empty() => vec![window],
            _ => all.to_vec(),
        }
    }
}
