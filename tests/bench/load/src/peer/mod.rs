//! The measured programs: their commands, and how they are started.

mod known;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::postgres::{self, Postgres};
use crate::server::{JID, SECRET};

/// Archive admin, who can query all entries.
pub const ADMIN: &str = "auditor@localhost";

/// A component that can be measured.
#[derive(Debug, Clone)]
pub struct Peer {
    pub name: String,
    pub title: String,
    /// Program and arguments. Placeholders: `{bench}` and `{root}` are the folders of the benchmark
    /// and the repository; `{port}`, `{jid}` and `{secret}` those of the server; `{config}` is a
    /// generated daemon configuration.
    command: Vec<String>,
    /// Supported scenarios; empty means all.
    scenarios: &'static [&'static str],
    pub protocol: Protocol,
    /// Another peer with other threads or cores, for the scale rows only.
    pub variant: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Connects to the load generator as a component.
    Xmpp,
    /// Listens for HTTP/1.1 connections of the load generator.
    Http1,
    /// Listens for one HTTP/2 connection of the load generator.
    Http2,
}

/// Addresses that a program is started with.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Port of the XMPP server; of the program itself if it is an HTTP server.
    pub port: u16,
    /// JID of each stream.
    pub jids: Vec<String>,
    /// Port of the HTTP server that handlers ask.
    pub upstream: Option<u16>,
}

impl Addresses {
    /// Returns the addresses of a single component.
    pub fn of(port: u16) -> Self {
        Self {
            port,
            jids: vec![JID.to_owned()],
            upstream: None,
        }
    }
}

/// A running component.
#[derive(Debug)]
pub struct Running {
    pub child: Child,
    log: PathBuf,
    /// Database, stopped after the component.
    _database: Option<Postgres>,
}

impl Peer {
    /// Returns all built-in peers.
    pub fn known() -> Vec<Self> {
        known::all()
    }

    /// Parses a custom peer from `NAME=COMMAND`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, command) = text.split_once('=').ok_or("expected NAME=COMMAND")?;
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if name.is_empty() || command.is_empty() {
            return Err("expected NAME=COMMAND".to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            title: name.to_owned(),
            command,
            scenarios: &[],
            protocol: Protocol::Xmpp,
            variant: false,
        })
    }

    pub fn answers(&self, scenario: &str) -> bool {
        self.scenarios.is_empty() || self.scenarios.contains(&scenario)
    }

    /// Returns `true` if the peer has been built. Program names without a slash are looked up in
    /// the path.
    pub fn is_available(&self, bench: &Path) -> bool {
        let files = self
            .command
            .iter()
            .map(|word| fill(word, bench, 0, Path::new("")))
            .filter(|word| word.starts_with('/'));
        files.into_iter().all(|file| Path::new(&file).exists())
            && (!self.has_database() || postgres::is_available())
    }

    fn has_database(&self) -> bool {
        self.name == "logger-postgres"
    }

    /// Starts the component with a configuration, in a folder of its own.
    pub fn launch(&self, bench: &Path, folder: &Path, configuration: &str) -> Result<Running> {
        let config = folder.join("campanile.toml");
        fs::write(&config, configuration)?;
        let log = folder.join("log");
        let child = self.spawn(bench, &Addresses::of(0), &config, &[], &log)?;
        Ok(Running {
            child,
            log,
            _database: None,
        })
    }

    /// Starts the component, optionally under another program (valgrind).
    pub fn start(&self, bench: &Path, addresses: &Addresses, under: &[String]) -> Result<Running> {
        let folder = bench.join("target/runs");
        fs::create_dir_all(&folder)?;
        let config = folder.join(format!("{}.toml", self.name));
        // All handlers are slow under valgrind, which must not change how they are run.
        let overrun = if under.is_empty() { "20ms" } else { "1h" };
        let database = self.has_database().then(Postgres::start).transpose()?;
        let store = match &database {
            Some(database) => Some(database.address()),
            None => self
                .name
                .starts_with("logger")
                .then(|| "sqlite:logger.db".to_owned()),
        };
        fs::write(&config, daemon_config(addresses, overrun, store.as_deref()))?;
        for file in ["logger.db", "logger.db-wal", "logger.db-shm"] {
            // Starts with an empty archive. Most peers have none.
            let _ = fs::remove_file(folder.join(file));
        }
        let log = folder.join(format!("{}.log", self.name));
        let child = self.spawn(bench, addresses, &config, under, &log)?;
        Ok(Running {
            child,
            log,
            _database: database,
        })
    }

    fn spawn(
        &self,
        bench: &Path,
        addresses: &Addresses,
        config: &Path,
        under: &[String],
        log: &Path,
    ) -> Result<Child> {
        let output = File::create(log)?;
        let mut words = under
            .iter()
            .chain(&self.command)
            .map(|word| fill(word, bench, addresses.port, config));
        let program = words.next().context("an empty command")?;
        Command::new(&program)
            .args(words)
            .env(
                "BENCH_OVERRUN_SECONDS",
                if under.is_empty() { "0.02" } else { "3600" },
            )
            .env("BENCH_JIDS", addresses.jids.join(","))
            .env(
                "BENCH_UPSTREAM",
                addresses.upstream.unwrap_or_default().to_string(),
            )
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {program}"))
    }
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops the component with SIGTERM, and with SIGKILL after `grace`.
    pub fn stop(mut self, grace: Duration) -> Result<()> {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            // Fails only if the process has already ended.
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + grace;
        while self.child.try_wait()?.is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Returns the last lines of the log.
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn fill(word: &str, bench: &Path, port: u16, config: &Path) -> String {
    // The repository is two folders above tests/bench.
    let root = bench.ancestors().nth(2).unwrap_or(bench);
    word.replace("{bench}", &bench.to_string_lossy())
        .replace("{root}", &root.to_string_lossy())
        .replace("{port}", &port.to_string())
        .replace("{jid}", JID)
        .replace("{secret}", SECRET)
        .replace("{config}", &config.to_string_lossy())
}

fn daemon_config(addresses: &Addresses, overrun: &str, store: Option<&str>) -> String {
    let mounted = store.map_or("echo]".to_owned(), |store| {
        format!("logger]\nstore = \"{store}\"\nadmins = [\"{ADMIN}\"]")
    });
    let component = |jid: &String| {
        format!(
            "\n[[component]]\njid = \"{jid}\"\nsecret = \"{SECRET}\"\n\
             limits = {{ slow_handler = \"{overrun}\" }}\n[component.{mounted}\n"
        )
    };
    let components: String = addresses.jids.iter().map(component).collect();
    format!(
        "[server]\naddress = \"127.0.0.1:{}\"\n{components}",
        addresses.port
    )
}
