//! The final report, and the tables of the READMEs.

mod blocks;
mod cells;
mod readme;
mod scale;
mod tables;
mod targets;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::cli::Cli;
use crate::machine::Machine;
use crate::peer::Peer;
use crate::sample::Sample;

#[derive(Debug)]
pub struct Report<'a> {
    /// Measured time of each run.
    pub measured: Duration,
    pub machine: Machine,
    pub samples: Vec<Sample>,
    pub failures: Vec<Failure>,
    pub peers: Vec<&'a Peer>,
}

/// A failed run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    pub run: String,
    pub reason: String,
}

#[derive(Serialize)]
struct Json<'a> {
    machine: &'a Machine,
    samples: &'a [Sample],
    failures: &'a [Failure],
}

/// A file written with `--json`.
#[derive(Deserialize)]
struct Recorded {
    machine: Machine,
    samples: Vec<Sample>,
    failures: Vec<Failure>,
}

/// Rewrites the tables of the READMEs from a file written with `--json`. Returns `true` if every
/// table was rewritten.
pub fn rewrite(cli: &Cli, file: &Path, peers: &[Peer]) -> Result<bool> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let recorded: Recorded =
        serde_json::from_str(&text).with_context(|| format!("invalid file {}", file.display()))?;
    let report = Report {
        measured: Duration::ZERO,
        machine: recorded.machine,
        samples: recorded.samples,
        failures: recorded.failures,
        peers: peers.iter().collect(),
    };
    let failures = report.list_of_failures();
    if !failures.is_empty() {
        eprintln!("bench: the file is incomplete. {failures}");
    }
    // The repository is two folders above tests/bench.
    let root = cli.bench_dir.ancestors().nth(2);
    let root = root.context("tests/bench is not in a repository")?;
    let mut complete = true;
    for readme in [root.join("README.md"), cli.bench_dir.join("README.md")] {
        complete &= blocks::rewrite(&readme, |name| readme::table(&report, name))?;
    }
    Ok(complete)
}

impl Report<'_> {
    pub fn print(&self, cli: &Cli) -> Result<()> {
        let markdown = self.markdown(cli);
        println!("{markdown}");
        if let Some(file) = &cli.markdown {
            fs::write(file, &markdown)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        if let Some(file) = &cli.json {
            let json = Json {
                machine: &self.machine,
                samples: &self.samples,
                failures: &self.failures,
            };
            let text = serde_json::to_string_pretty(&json)? + "\n";
            fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(())
    }

    fn markdown(&self, cli: &Cli) -> String {
        let mut parts = vec![self.preface(cli), tables::overview(self)];
        parts.push(targets::table(self));
        parts.push(tables::memory(self));
        parts.push(tables::details(self));
        parts.push(self.list_of_failures());
        parts.retain(|part| !part.is_empty());
        parts.join("\n")
    }

    fn preface(&self, cli: &Cli) -> String {
        let machine = &self.machine;
        let others = cells::median(self.samples.iter().map(|sample| sample.others_percent));
        let worst = self
            .samples
            .iter()
            .map(|sample| sample.others_percent)
            .fold(0.0, f64::max);
        format!(
            "{} cores ({}), Linux {}, loopback TCP; load generator and component share the cores. {} rounds of {:.1} s, \
             interleaved: median (lowest–highest). Other processes used {others:.0} % of the machine (median; at most \
             {worst:.0} %), load average at the start {}.\n",
            machine.cores,
            machine.cpu,
            machine.kernel,
            cli.rounds(),
            self.measured.as_secs_f64(),
            machine.load_average.split(' ').next().unwrap_or("unknown"),
        )
    }

    fn list_of_failures(&self) -> String {
        let lines = self
            .failures
            .iter()
            .map(|f| format!("- {}: {}\n", f.run, f.reason.replace('\n', " / ")));
        let lines: String = lines.collect();
        if lines.is_empty() {
            lines
        } else {
            format!("Failed runs:\n\n{lines}")
        }
    }
}
