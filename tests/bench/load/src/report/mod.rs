//! The final report.

mod cells;
mod tables;
mod targets;

use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cli::Cli;
use crate::machine::Machine;
use crate::peer::Peer;
use crate::sample::Sample;

#[derive(Debug)]
pub struct Report<'a> {
    pub machine: Machine,
    pub samples: Vec<Sample>,
    pub failures: Vec<Failure>,
    pub peers: Vec<&'a Peer>,
}

/// A failed run.
#[derive(Debug, Serialize)]
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
            cli.extent().measured.as_secs_f64(),
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
