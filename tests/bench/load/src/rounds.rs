//! Runs all measurements, interleaved: each round includes every peer, so that slow phases of the
//! machine affect all of them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cli::Cli;
use crate::flow::{Extent, Flow};
use crate::http;
use crate::http::upstream::Upstream;
use crate::machine::Machine;
use crate::peer::{Addresses, Peer, Protocol, Running};
use crate::plan::{self, Run};
use crate::progress::Progress;
use crate::report::{Failure, Report};
use crate::sample::Sample;
use crate::scenario;
use crate::server::Server;
use crate::stall;

pub const CONNECTS_WITHIN: Duration = Duration::from_secs(20);

/// Measures the peers and prints the tables. Returns `true` if every run succeeded.
pub fn run(cli: &Cli, peers: &[Peer]) -> Result<bool> {
    let (there, missing): (Vec<&Peer>, Vec<&Peer>) = peers
        .iter()
        .partition(|peer| peer.is_available(&cli.bench_dir));
    missing
        .iter()
        .for_each(|peer| eprintln!("skipped, not built: {}", peer.name));
    ensure!(!there.is_empty(), "no peer is built; run tests/bench/run");
    let runs = plan::of(cli, &there);
    let extent = cli.extent(runs.len());
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
        measured: extent.measured,
        machine,
        samples,
        failures,
        peers: there,
    };
    report.print(cli)?;
    Ok(complete)
}

fn measure(cli: &Cli, run: &Run<'_>, extent: &Extent) -> Result<Sample> {
    let server = Server::bind(0)?;
    let upstream = run.scenario.asks_upstream().then(Upstream::start);
    let upstream = upstream.transpose()?;
    let addresses = Addresses {
        port: server.port,
        jids: run.scenario.streams.jids(),
        upstream: upstream.as_ref().map(|upstream| upstream.port),
    };
    // An HTTP server listens on the port itself.
    let server = (run.peer.protocol == Protocol::Xmpp).then_some(server);
    let mut running = run.peer.start(&cli.bench_dir, &addresses, &[])?;
    let sample = match &server {
        Some(server) => measure_component(server, &mut running, run, extent),
        None => http::measure(&addresses, run, &mut running, extent),
    };
    let sample = sample.with_context(|| format!("last log lines: {}", running.log_tail()));
    running.stop(Duration::from_millis(500))?;
    let mut sample = sample?;
    sample.peer.clone_from(&run.peer.name);
    sample.round = run.round;
    Ok(sample)
}

fn measure_component(
    server: &Server,
    running: &mut Running,
    run: &Run<'_>,
    extent: &Extent,
) -> Result<Sample> {
    let jids = run.scenario.streams.jids();
    let streams = server.accept_all(&jids, &mut running.child, CONNECTS_WITHIN)?;
    let flow = Flow::new(streams, running.pid(), run.scenario, run.window)?;
    match run.scenario.flow {
        scenario::Flow::Window => flow.measure(extent),
        scenario::Flow::Paced => flow.measure_paced(extent),
        scenario::Flow::Count => flow.measure_count(extent),
        scenario::Flow::Stall => stall::measure(flow, server, running, extent),
    }
}
