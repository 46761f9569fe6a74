//! Load generator: an XEP-0114 server that keeps a component busy and measures its resource usage.

mod archive;
mod cli;
mod flow;
mod histogram;
mod http;
mod instructions;
mod ledger;
mod link;
mod links;
mod machine;
mod pace;
mod peer;
mod plan;
mod poller;
mod postgres;
mod process;
mod progress;
mod report;
mod rounds;
mod sample;
mod scan;
mod scenario;
mod server;
mod soak;
mod stall;
mod stanza;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;

use crate::cli::Cli;
use crate::peer::Peer;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("bench: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the selected mode. Returns `true` on success.
fn run(mut cli: Cli) -> Result<bool> {
    cli.bench_dir = cli.bench_dir.canonicalize()?;
    let mut peers = Peer::known();
    peers.append(&mut cli.command);
    check_names(&cli, &peers)?;
    if cli.list {
        list(&peers);
        return Ok(true);
    }
    if let Some(file) = &cli.tables {
        return report::rewrite(&cli, file, &peers);
    }
    peers.retain(|peer| cli.wants_peer(peer));
    if cli.instructions {
        return instructions::check(&cli, &peers);
    }
    if cli.soak {
        return soak::run(&cli, &peers);
    }
    if cli.archive {
        return archive::measure(&cli, &peers);
    }
    rounds::run(&cli, &peers)
}

fn check_names(cli: &Cli, peers: &[Peer]) -> Result<()> {
    for name in &cli.only {
        ensure!(
            peers.iter().any(|peer| peer.name == *name),
            "unknown peer {name}; run with --list for all names"
        );
    }
    for name in &cli.scenario {
        ensure!(
            scenario::ALL.iter().any(|s| s.name == name),
            "unknown scenario {name}; run with --list for all names"
        );
    }
    Ok(())
}

fn list(peers: &[Peer]) {
    println!("Peers:");
    peers
        .iter()
        .for_each(|peer| println!("  {:20} {}", peer.name, peer.title));
    println!("Scenarios:");
    for scenario in scenario::ALL {
        let windows: Vec<_> = scenario.windows.iter().map(u32::to_string).collect();
        println!(
            "  {:20} {} (windows: {})",
            scenario.name,
            scenario.title,
            windows.join(", ")
        );
    }
}
