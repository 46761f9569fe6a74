//! The order of the runs, and the scenarios and windows of each peer in a sitting.

use crate::cli::Cli;
use crate::peer::{Peer, Protocol};
use crate::scenario::{self, Flow, Scenario};

/// A planned run.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    pub round: u32,
    pub scenario: &'static Scenario,
    pub window: u32,
    pub peer: &'a Peer,
}

/// Returns all runs in order.
pub fn of<'a>(cli: &Cli, peers: &[&'a Peer]) -> Vec<Run<'a>> {
    let mut runs = Vec::new();
    for round in 0..cli.rounds() {
        for scenario in scenario::ALL
            .iter()
            .filter(|scenario| round < cli.rounds_of(scenario))
        {
            let mut planned: Vec<(u32, &Peer)> = Vec::new();
            // Each round starts with another peer, so that the order varies.
            for i in 0..peers.len() {
                let peer = peers[(i + round as usize) % peers.len()];
                if peer.answers(scenario.name) {
                    let windows = cli.windows_of(scenario, peer);
                    planned.extend(windows.into_iter().map(|window| (window, peer)));
                }
            }
            // Peers alternate within a window. The sort is stable.
            planned.sort_by_key(|(window, _)| *window);
            runs.extend(planned.into_iter().map(|(window, peer)| Run {
                round,
                scenario,
                window,
                peer,
            }));
        }
    }
    runs
}

/// Returns the windows of a scenario in a sitting: what the tables of the READMEs show.
pub fn sitting_windows(scenario: &Scenario, peer: &Peer) -> &'static [u32] {
    let daemon = peer.name.starts_with("campanile");
    let own = daemon || peer.name.starts_with("library") || peer.name.starts_with("logger");
    match scenario.flow {
        _ if peer.variant && peer.name.starts_with("logger") => &[4096],
        _ if peer.variant => &[256],
        Flow::Stall if !daemon => &[],
        Flow::Count if !own => &[],
        Flow::Stall | Flow::Count | Flow::Paced => scenario.windows,
        Flow::Window if scenario.rate.is_some() => scenario.windows,
        Flow::Window if own || peer.protocol != Protocol::Xmpp => &[1, 256, 4096],
        Flow::Window => match scenario.name {
            "chat" => &[1, 256],
            "chat-4k" | "ping" => &[256],
            _ => &[],
        },
    }
}

impl Run<'_> {
    pub fn describe(&self) -> String {
        format!(
            "round {}, {}, window {}, {}",
            self.round + 1,
            self.scenario.name,
            self.window,
            self.peer.name
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn sitting_measures_every_own_row_at_three_windows_within_its_time() {
        let cli = Cli::parse_from(["bench-load", "--sitting"]);
        let peers = Peer::known();
        let runs = of(&cli, &peers.iter().collect::<Vec<_>>());
        for peer in peers.iter().filter(|p| p.name.starts_with("library")) {
            let timed = |s: &&Scenario| s.flow == Flow::Window && peer.answers(s.name);
            for scenario in scenario::ALL.iter().filter(timed).filter(|_| !peer.variant) {
                for window in [1, 256, 4096] {
                    let planned = runs.iter().filter(|run| {
                        (run.peer.name == peer.name, run.scenario.name, run.window)
                            == (true, scenario.name, window)
                    });
                    assert_eq!(planned.count(), 3, "{} {window}", scenario.name);
                }
            }
        }
        let extent = cli.extent(runs.len());
        let each = extent.warm_up_at_most + extent.measured;
        let seconds = each.as_secs_f64() * runs.len() as f64;
        assert!(seconds < 1380.0, "{} runs take {seconds} s", runs.len());
        assert!(extent.measured.as_secs_f64() > 0.5, "{extent:?}");
    }

    #[test]
    fn peers_alternate_within_a_window() {
        let cli = Cli::parse_from(["bench-load", "--scenario", "chat", "--rounds", "1"]);
        let peers = Peer::known();
        let two: Vec<&Peer> = peers
            .iter()
            .filter(|p| ["campanile", "limit"].contains(&p.name.as_str()))
            .collect();
        let runs = of(&cli, &two);
        let order: Vec<_> = runs.iter().map(|run| run.peer.name.as_str()).collect();
        assert_eq!(order, ["limit", "campanile"].repeat(3));
    }
}
