//! Background tasks that panic at random: nothing with a receipt is lost, and each panic is
//! counted.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use campanile_tests::setup::SECRET;
use campanile_tests::{Daemon, Nats, Prosody, Server, Setup, daemon, http, ports, wait};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::chaos::{BRIDGE, Chaos, USERS, Users, write};
use crate::support::LIMITS;

const LOGGER: &str = "logger.localhost";
const READERS: &str = "readers.localhost";
/// The counters of panics of background tasks.
const COUNTERS: [&str; 4] = [
    "campanile_faults_total{component=",
    "campanile_bridge_panics_total",
    "campanile_store_task_failures_total",
    "campanile_task_failures_total",
];

/// Returns the duration of the load: 10 seconds, unless `CAMPANILE_FAILPOINT_SECONDS` is set.
fn duration() -> Duration {
    let seconds = std::env::var("CAMPANILE_FAILPOINT_SECONDS");
    Duration::from_secs(seconds.map_or(10, |seconds| seconds.parse().unwrap()))
}

/// Returns the number of polls per panic: 2,000, unless `CAMPANILE_FAILPOINT_ONE_IN` is set.
fn one_in() -> String {
    std::env::var("CAMPANILE_FAILPOINT_ONE_IN").unwrap_or_else(|_| "2000".to_owned())
}

/// The archive, and the people who write to it.
struct Archived {
    readers: Arc<Users>,
    stop: watch::Sender<bool>,
    writing: JoinHandle<usize>,
}

impl Archived {
    async fn start(server: &Server) -> Self {
        let (readers, client) = Users::start(server, READERS).await;
        let (stop, stopped) = watch::channel(false);
        let writing = write(Arc::clone(&readers), client, (9, LOGGER), stopped);
        Self {
            readers,
            stop,
            writing,
        }
    }

    /// Stops the writer, and returns the ids of messages with a receipt.
    async fn end(self) -> HashSet<String> {
        self.stop.send(true).unwrap();
        self.writing.await.unwrap();
        self.readers.receipted.lock().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_background_tasks_panic() {
    lose_nothing("").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_background_tasks_panic_beside_a_broker() {
    let nats = Nats::start().await;
    lose_nothing(&format!(
        "[component.json_bridge.nats]\nurl = '{}'\n",
        nats.url()
    ))
    .await;
}

/// Puts load on a bridge with more settings and on a logger, while their tasks panic.
async fn lose_nothing(settings: &str) {
    let setup = [BRIDGE, USERS, LOGGER, READERS];
    let setup = setup.into_iter().fold(Setup::new(), Setup::component);
    let server = Prosody::start(&setup).await;
    let admin = ports::free();
    let more = format!("{settings}{}", logger(&server, admin));
    let environment = [
        ("CAMPANILE_FAILPOINT_ONE_IN", one_in()),
        ("RUST_BACKTRACE", "0".to_owned()),
    ];
    let environment = environment
        .each_ref()
        .map(|(name, value)| (*name, &**value));
    let to = format!("inbox@{USERS}");
    let mut chaos = Chaos::start_with(&server, &more, &to, &environment).await;
    let archived = Archived::start(&server).await;

    tokio::time::sleep(duration()).await;
    let receipted = archived.end().await;
    chaos.settle("tasks that panic").await;

    let panics = counted(&chaos.daemon, admin).await;
    let by_task = by_task(&chaos.daemon);
    eprintln!(
        "{} receipts of the archive; {panics} panics: {by_task:?}",
        receipted.len()
    );
    assert!(panics >= 5 && by_task.len() >= 3, "{panics}: {by_task:?}");
    assert!(chaos.daemon.stop().await.success());
    let kept = archive(&chaos.daemon).await;
    let lost: Vec<_> = receipted.difference(&kept).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(receipted.len() > 50, "{}", receipted.len());
}

/// Returns the tables of the logger and of the admin port.
fn logger(server: &Server, admin: u16) -> String {
    let address = server.component_address();
    format!(
        "[[component]]\njid = '{LOGGER}'\naddress = '{address}'\nsecret = '{SECRET}'\n{LIMITS}\n\
         allow = ['{READERS}']\n[component.logger]\nstore = 'sqlite:logger.db'\n\
         [admin]\nlisten = '127.0.0.1:{admin}'\n"
    )
}

/// Waits until the counters agree with the panics in the output, and returns their number.
async fn counted(daemon: &Daemon, admin: u16) -> u64 {
    let panics = || {
        let lines = daemon.output().lines();
        lines
            .iter()
            .filter(|line| *line == "failpoint reached")
            .count() as u64
    };
    let agreed = wait::until("the count of panics", wait::TIMEOUT, async || {
        let metrics = http::get(admin, "/metrics", "").await?;
        let counted: u64 = metrics.lines().filter_map(task_failures).sum();
        // Tasks panic all the time, also the one that answers.
        (counted > 0 && counted == panics()).then_some(counted)
    });
    agreed
        .await
        .unwrap_or_else(|error| panic!("{error}: {} panics", panics()))
}

/// Returns the value of a line of metrics, if it counts failures of tasks.
fn task_failures(line: &str) -> Option<u64> {
    COUNTERS.iter().find(|name| line.starts_with(**name))?;
    if line.starts_with(COUNTERS[0]) && !line.contains("fault=\"task\"") {
        return None;
    }
    line.rsplit_once(' ')?.1.parse().ok()
}

/// Returns the number of logged panics of each task. The log leaves out repeated lines.
fn by_task(daemon: &Daemon) -> BTreeMap<String, usize> {
    let mut tasks = BTreeMap::new();
    for line in daemon.output().lines() {
        let task = serde_json::from_str::<Value>(&line)
            .ok()
            .and_then(|line| line["task"].as_str().map(str::to_owned));
        if let Some(task) = task {
            *tasks.entry(task).or_default() += 1;
        }
    }
    tasks
}

/// Returns the texts in the archive.
async fn archive(daemon: &Daemon) -> HashSet<String> {
    let exported = daemon::command(
        daemon.folder(),
        &["archive", "--config", "campanile.toml", "export"],
    )
    .await;
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let body = |line: &str| {
        let entry: Value = serde_json::from_str(line).ok()?;
        entry["body"].as_str().map(str::to_owned)
    };
    exported.stdout.lines().filter_map(body).collect()
}
