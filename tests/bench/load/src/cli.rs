//! What can be asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::flow::Extent;
use crate::peer::Peer;
use crate::scenario::{Flow, Scenario};

/// Puts load on XMPP components (XEP-0114) over loopback TCP and prints what they made of it.
#[derive(Debug, Parser)]
#[command(name = "bench-load", version)]
pub struct Cli {
    /// The main scenarios, three rounds of one second each (the default).
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// All scenarios and windows, five rounds of two seconds each; about an hour.
    #[arg(long)]
    pub full: bool,
    /// Only this peer; may be given several times.
    #[arg(long, value_name = "PEER")]
    pub only: Vec<String>,
    /// Only this scenario, in all its windows; may be given several times.
    #[arg(long, value_name = "SCENARIO")]
    pub scenario: Vec<String>,
    /// Only this window.
    #[arg(long)]
    pub window: Option<u32>,
    #[arg(long)]
    pub rounds: Option<u32>,
    /// Seconds measured in each run.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Seconds for which the server does not read in scenario `stall`.
    #[arg(long)]
    pub stall_seconds: Option<f64>,
    /// Stanzas of a run that goes by number.
    #[arg(long)]
    pub count: Option<u64>,
    /// Measure another component too; {port}, {jid}, {secret} and {config} are filled in.
    #[arg(long, value_name = "NAME=COMMAND", value_parser = Peer::parse)]
    pub command: Vec<Peer>,
    /// Write every single measurement to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the tables to this file, too.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Say which peers and scenarios there are, and end.
    #[arg(long)]
    pub list: bool,
    /// Fill archives with a million entries (--count says otherwise) and ask them.
    #[arg(long, conflicts_with = "instructions")]
    pub archive: bool,
    /// Count instructions for each echoed stanza under callgrind and compare with the committed figures.
    #[arg(long)]
    pub instructions: bool,
    /// With --instructions: write the figures instead of comparing them.
    #[arg(long, requires = "instructions")]
    pub bless: bool,
    /// The folder of the bench.
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

    /// How much an archive is filled with.
    pub fn entries(&self) -> u64 {
        self.count.unwrap_or(1_000_000)
    }

    pub fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.full { 5 } else { 3 }).max(1)
    }

    /// Memory does not scatter as time does: what is run for its sake is run once.
    pub fn rounds_of(&self, scenario: &Scenario) -> u32 {
        if scenario.flow == Flow::Window {
            self.rounds()
        } else {
            self.rounds.unwrap_or(1).max(1)
        }
    }

    pub fn wants_peer(&self, peer: &Peer) -> bool {
        self.only.is_empty() || self.only.contains(&peer.name)
    }

    /// The windows in which a scenario is to be run.
    pub fn windows_of(&self, scenario: &Scenario) -> Vec<u32> {
        let named = self.scenario.iter().any(|name| name == scenario.name);
        let all = if named || self.full {
            scenario.windows
        } else if self.scenario.is_empty() && scenario.quick {
            // Chat shows the round trip as well, even in a hurry.
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
