//! Memory of the daemon in a long run: 31 components under a mixed load at a fixed rate.

mod load;
mod webhook;

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cli::Cli;
use crate::link::{self, Link};
use crate::peer::{Peer, Running};
use crate::process::Memory;
use crate::rounds::CONNECTS_WITHIN;
use crate::server::Server;

use self::load::{Counts, Load};
use self::webhook::Webhook;

/// Interval of the rows of the table.
const ROW: Duration = Duration::from_secs(10);
const TURN: Duration = Duration::from_millis(5);
/// Time to wait for outstanding replies at the end.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// Runs the soak with the first peer. Returns `true` if memory stayed below the limit, and every
/// message was answered.
pub fn run(cli: &Cli, peers: &[Peer]) -> Result<bool> {
    let peer = peers
        .iter()
        .find(|peer| peer.is_available(&cli.bench_dir))
        .context("the daemon is not built; run tests/bench/run --soak")?;
    let folder = cli.bench_dir.join("target/runs/soak");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let server = Server::bind(0)?;
    let webhook = Webhook::start()?;
    let config = load::configuration(server.port, webhook.port);
    let mut running = peer.launch(&cli.bench_dir, &folder, &config)?;
    let outcome = Soak::connect(&server, &mut running)
        .and_then(|mut soak| soak.run(cli.rate, Duration::from_secs(cli.minutes * 60)))
        .with_context(|| format!("last log lines: {}", running.log_tail()));
    running.stop(ENDS_WITHIN)?;
    let (counts, memory) = outcome?;
    counts.check()?;
    let limit = cli.max_mib;
    ensure!(
        memory.now_kib <= limit * 1024,
        "the daemon uses {} MiB at the end, more than {limit}",
        memory.now_kib >> 10
    );
    Ok(true)
}

struct Soak {
    pid: u32,
    links: Vec<Link>,
    load: Load,
}

impl Soak {
    fn connect(server: &Server, running: &mut Running) -> Result<Self> {
        let mut links: Vec<Option<Link>> = (0..load::LINKS).map(|_| None).collect();
        for _ in 0..load::LINKS {
            let (jid, stream) = server.accept_any(&mut running.child, CONNECTS_WITHIN)?;
            let at = load::link_of(&jid).with_context(|| format!("unexpected component {jid}"))?;
            links[at] = Some(Link::new(stream));
        }
        let pid = running.pid();
        let links: Option<Vec<Link>> = links.into_iter().collect();
        let links = links.context("a component connected twice")?;
        let load = Load::default();
        Ok(Self { pid, links, load })
    }

    fn run(&mut self, rate: u32, time: Duration) -> Result<(Counts, Memory)> {
        println!("| s | sent | RSS | anonymous | peak | threads |\n|---|---|---|---|---|---|");
        let start = Instant::now();
        let mut next_row = Duration::ZERO;
        while start.elapsed() < time {
            if start.elapsed() >= next_row {
                self.row(start)?;
                next_row += ROW;
            }
            let due = start.elapsed().as_secs_f64() * f64::from(rate);
            self.fill(due as u64);
            self.turn()?;
        }
        let end = Instant::now();
        while !self.load.counts.is_complete() && end.elapsed() < ANSWER_TIMEOUT {
            self.turn()?;
        }
        let memory = self.row(start)?;
        println!("\n{}", self.load.counts);
        Ok((self.load.counts, memory))
    }

    fn fill(&mut self, due: u64) {
        while self.load.counts.sent() < due {
            let link = self.load.next_link();
            if !self.links[link].has_room() {
                break;
            }
            self.load.render(&mut self.links[link].out);
        }
    }

    /// Writes, waits and reads once.
    fn turn(&mut self) -> Result<()> {
        for link in &mut self.links {
            link.flush()?;
        }
        link::wait_for_any(&self.links, TURN)?;
        let load = &mut self.load;
        for (at, link) in self.links.iter_mut().enumerate() {
            link.read(|stanza, out| load.came(at, stanza, out))?;
        }
        Ok(())
    }

    fn row(&self, start: Instant) -> Result<Memory> {
        let memory = Memory::read(self.pid)?;
        if memory.now_kib == 0 {
            bail!("the daemon has ended");
        }
        let mib = |kib: u64| kib as f64 / 1024.0;
        println!(
            "| {} | {} | {:.1} MiB | {:.1} MiB | {:.1} MiB | {} |",
            start.elapsed().as_secs(),
            self.load.counts.sent(),
            mib(memory.now_kib),
            mib(memory.anonymous_kib),
            mib(memory.peak_kib),
            memory.threads
        );
        Ok(memory)
    }
}
