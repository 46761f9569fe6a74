//! Instructions per echoed stanza, counted by callgrind: independent of the machine's load.
//!
//! Two runs with equal batches are subtracted, which cancels startup and shutdown.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cli::Cli;
use crate::flow::{Flow, Pace};
use crate::peer::{Addresses, Peer};
use crate::scenario::{self, Scenario};
use crate::server::Server;

const BATCH: u32 = 64;
const FEW: u64 = 1_024;
const MANY: u64 = 5_120;
/// Allowed relative deviation from the committed number.
const TOLERANCE: f64 = 0.05;
/// Connecting is slow under valgrind.
const CONNECTS_WITHIN: Duration = Duration::from_secs(120);
const ENDS_WITHIN: Duration = Duration::from_secs(30);
const FILE: &str = "instructions.txt";

/// Lines of `PEER SCENARIO INSTRUCTIONS`.
type Figures = BTreeMap<(String, String), f64>;

/// Counts instructions for each peer and scenario with a committed number, or selected by name.
/// Returns `true` if all agree.
pub fn check(cli: &Cli, peers: &[Peer]) -> Result<bool> {
    let file = cli.bench_dir.join(FILE);
    let mut figures = read(&file)?;
    let mut agreed = true;
    for peer in peers
        .iter()
        .filter(|peer| peer.is_available(&cli.bench_dir))
    {
        for scenario in scenario::ALL {
            let key = (peer.name.clone(), scenario.name.to_owned());
            let named = cli.only.contains(&peer.name)
                && cli.scenario.iter().any(|name| name == scenario.name);
            let listed = figures.contains_key(&key)
                && (cli.scenario.is_empty() || cli.scenario.contains(&key.1));
            if !named && !listed {
                continue;
            }
            let counted =
                count(cli, peer, scenario).with_context(|| format!("{} {}", key.0, key.1))?;
            agreed &= say(&key, counted, figures.get(&key).copied());
            if cli.bless {
                figures.insert(key, counted);
            }
        }
    }
    if cli.bless {
        write(&file, &figures)?;
    }
    Ok(agreed || cli.bless)
}

fn say(key: &(String, String), counted: f64, committed: Option<f64>) -> bool {
    let off = committed.map(|committed| counted / committed - 1.0);
    let agrees = off.is_none_or(|off| off.abs() <= TOLERANCE);
    let beside = off.map_or("no committed number".to_owned(), |off| {
        format!(
            "committed {:.0}, {:+.1} %, {}",
            committed.unwrap_or(0.0),
            off * 100.0,
            if agrees { "ok" } else { "OFF" }
        )
    });
    println!(
        "{} {}: {counted:.0} instructions per stanza ({beside})",
        key.0, key.1
    );
    agrees
}

fn count(cli: &Cli, peer: &Peer, scenario: &Scenario) -> Result<f64> {
    let few = count_run(cli, peer, scenario, FEW)?;
    let many = count_run(cli, peer, scenario, MANY)?;
    ensure!(many > few, "callgrind counted {few} and {many}");
    Ok((many - few) as f64 / (MANY - FEW) as f64)
}

fn count_run(cli: &Cli, peer: &Peer, scenario: &Scenario, stanzas: u64) -> Result<u64> {
    let out = cli
        .bench_dir
        .join(format!("target/runs/{}.callgrind", peer.name));
    // May not exist.
    let _ = fs::remove_file(&out);
    let under = [
        "valgrind",
        "--tool=callgrind",
        &format!("--callgrind-out-file={}", out.display()),
    ]
    .map(str::to_owned);
    let server = Server::bind(0)?;
    let mut running = peer.start(&cli.bench_dir, &Addresses::of(server.port), &under)?;
    let stream = server.accept(&mut running.child, CONNECTS_WITHIN);
    let stream = stream.with_context(|| format!("last log lines: {}", running.log_tail()))?;
    let mut flow = Flow::new(vec![stream], running.pid(), scenario, BATCH)?;
    flow.run_count(stanzas, Pace::Lockstep)?;
    ensure!(
        flow.ledger.answered == stanzas,
        "{} of {stanzas} answered",
        flow.ledger.answered
    );
    drop(flow);
    running.stop(ENDS_WITHIN)?;
    total(&out)
}

/// Reads the total from callgrind's output.
fn total(out: &PathBuf) -> Result<u64> {
    let text = fs::read_to_string(out).context("callgrind wrote no output")?;
    let line = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("totals: "));
    line.context("callgrind wrote no total")?
        .trim()
        .parse()
        .context("invalid total of callgrind")
}

fn read(file: &Path) -> Result<Figures> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let line = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let key = (
            words.next().context("no peer")?,
            words.next().context("no scenario")?,
        );
        Ok((
            key,
            words
                .next()
                .context("no number")?
                .parse()
                .context("invalid number")?,
        ))
    };
    text.lines()
        .filter(|text| !text.starts_with('#') && !text.is_empty())
        .map(line)
        .collect()
}

fn write(file: &Path, figures: &Figures) -> Result<()> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    lines.extend(
        figures
            .iter()
            .map(|((peer, scenario), figure)| format!("{peer} {scenario} {figure:.0}")),
    );
    fs::write(file, lines.join("\n") + "\n")
        .with_context(|| format!("cannot write {}", file.display()))
}
