//! Runs all measurements, interleaved: each round includes every peer, so that slow phases of the
//! machine affect all of them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cli::Cli;
use crate::flow::{Extent, Flow};
use crate::machine::Machine;
use crate::peer::{Peer, Running};
use crate::progress::Progress;
use crate::report::{Failure, Report};
use crate::sample::Sample;
use crate::scenario::{self, Scenario};
use crate::server::Server;
use crate::stall;

pub const CONNECTS_WITHIN: Duration = Duration::from_secs(20);

/// A planned run.
#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    round: u32,
    scenario: &'static Scenario,
    window: u32,
    peer: &'a Peer,
}

/// Measures the peers and prints the tables. Returns `true` if every run succeeded.
pub fn run(cli: &Cli, peers: &[Peer]) -> Result<bool> {
    let (there, missing): (Vec<&Peer>, Vec<&Peer>) = peers
        .iter()
        .partition(|peer| peer.is_available(&cli.bench_dir));
    missing
        .iter()
        .for_each(|peer| eprintln!("skipped, not built: {}", peer.name));
    ensure!(!there.is_empty(), "no peer is built; run tests/bench/run");
    let runs = plan(cli, &there);
    let extent = cli.extent();
    let machine = Machine::read();
    let mut progress = Progress::new(runs.len());
    let mut samples = Vec::new();
    let mut failures = Vec::new();
    for run in runs {
        let what = run.describe();
        progress.begin(&what);
        let result = measure(cli, &run, &extent);
        progress.finish(&what, &result);
        match result {
            Ok(sample) => samples.push(sample),
            Err(e) => failures.push(Failure {
                run: what,
                reason: format!("{e:#}"),
            }),
        }
    }
    let complete = failures.is_empty();
    let report = Report {
        machine,
        samples,
        failures,
        peers: there,
    };
    report.print(cli)?;
    Ok(complete)
}

fn plan<'a>(cli: &Cli, peers: &[&'a Peer]) -> Vec<Run<'a>> {
    let mut runs = Vec::new();
    for round in 0..cli.rounds() {
        // Each round starts with another peer, so that the order varies.
        let order = (0..peers.len()).map(|i| peers[(i + round as usize) % peers.len()]);
        for scenario in scenario::ALL
            .iter()
            .filter(|scenario| round < cli.rounds_of(scenario))
        {
            for window in cli.windows_of(scenario) {
                let fit = order.clone().filter(|peer| peer.answers(scenario.name));
                runs.extend(fit.map(|peer| Run {
                    round,
                    scenario,
                    window,
                    peer,
                }));
            }
        }
    }
    runs
}

fn measure(cli: &Cli, run: &Run<'_>, extent: &Extent) -> Result<Sample> {
    let server = Server::bind(0)?;
    let mut running = run.peer.start(&cli.bench_dir, server.port, &[])?;
    let sample = measure_running(&server, &mut running, run, extent);
    let sample = sample.with_context(|| format!("last log lines: {}", running.log_tail()));
    running.stop(Duration::from_millis(500))?;
    let mut sample = sample?;
    sample.peer.clone_from(&run.peer.name);
    sample.round = run.round;
    Ok(sample)
}

fn measure_running(
    server: &Server,
    running: &mut Running,
    run: &Run<'_>,
    extent: &Extent,
) -> Result<Sample> {
    let stream = server.accept(&mut running.child, CONNECTS_WITHIN)?;
    let flow = Flow::new(stream, running.pid(), run.scenario, run.window);
    match run.scenario.flow {
        scenario::Flow::Window => flow.measure(extent),
        scenario::Flow::Paced => flow.measure_paced(extent),
        scenario::Flow::Count => flow.measure_count(extent),
        scenario::Flow::Stall => stall::measure(flow, server, running, extent),
    }
}

impl Run<'_> {
    fn describe(&self) -> String {
        format!(
            "round {}, {}, window {}, {}",
            self.round + 1,
            self.scenario.name,
            self.window,
            self.peer.name
        )
    }
}
