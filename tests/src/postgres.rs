//! Fixture for PostgreSQL (Debian package), on a free loopback port.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::folder::Folder;
use crate::output::Output;
use crate::ports;
use crate::process::Process;
use crate::server::certificate;
use crate::wait;

/// A database server with one database, killed when dropped.
#[derive(Debug)]
pub struct Postgres {
    process: Option<Process>,
    output: Output,
    port: u16,
    folder: Folder,
    /// Additional server arguments.
    more: Vec<String>,
}

impl Postgres {
    /// Creates a cluster and starts it.
    pub async fn start() -> Self {
        let mut this = Self::make();
        this.start_again().await;
        this
    }

    /// Like [`Postgres::start`], with a certificate signed by [`Postgres::authority`]. Unencrypted
    /// connections are rejected.
    pub async fn start_encrypted() -> Self {
        let mut this = Self::make();
        certificate::make(&this.folder);
        let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| this.folder.at(name));
        give(&[certificate.as_ref(), key.as_ref()]);
        let hosts = "hostssl all all 127.0.0.1/32 trust\n";
        std::fs::write(this.folder.path().join("data/pg_hba.conf"), hosts).expect("it was made");
        let options = [
            "ssl=on".to_owned(),
            format!("ssl_cert_file={certificate}"),
            format!("ssl_key_file={key}"),
        ];
        this.more = options
            .into_iter()
            .flat_map(|option| ["-c".to_owned(), option])
            .collect();
        this.start_again().await;
        this
    }

    /// Returns the path of the CA certificate.
    pub fn authority(&self) -> String {
        self.folder.at("ca.pem")
    }

    fn make() -> Self {
        let folder = Folder::new("postgres");
        give(&[folder.path()]);
        let output = Output::default();
        let data = folder.at("data");
        let mut made = as_user("initdb");
        made.args([
            "--no-sync",
            "--auth=trust",
            "--username=campanile",
            "--encoding=UTF8",
            "--locale=C",
            "-D",
            &data,
        ]);
        let made = made
            .output()
            .unwrap_or_else(|error| panic!("cannot run initdb: {error}"));
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        Self {
            process: None,
            output,
            port: ports::free(),
            folder,
            more: Vec::new(),
        }
    }

    /// Returns the connection URL, for a configuration.
    pub fn address(&self) -> String {
        format!("postgres://campanile@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops the server; open transactions are aborted.
    pub async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal("INT");
            process.end(Duration::from_secs(30)).await;
        }
    }

    /// Restarts the server with the same data and port.
    pub async fn start_again(&mut self) {
        let mut command = as_user("postgres");
        command.args([
            "-D",
            &self.folder.at("data"),
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-k",
            "",
        ]);
        command.args(&self.more);
        let ready = |output: &Output| {
            output
                .lines()
                .iter()
                .filter(|line| line.contains("ready to accept connections"))
                .count()
        };
        let before = ready(&self.output);
        self.process = Some(Process::start("postgres", command, &self.output));
        // The server listens before it accepts queries.
        let up = async || (ready(&self.output) > before).then_some(());
        let started = wait::until("PostgreSQL", Duration::from_secs(30), up).await;
        started.unwrap_or_else(|error| panic!("{error}\n{}", self.output.tail()));
    }
}

/// PostgreSQL refuses to run as root. Debian's package creates a user for it.
fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout == b"0\n")
}

fn give(paths: &[&Path]) {
    if is_root() {
        let given = Command::new("chown").arg("postgres").args(paths).status();
        assert!(
            given.is_ok_and(|status| status.success()),
            "missing user postgres: run `tests/run install`"
        );
    }
}

/// Returns a command for one of the server's programs. `setpriv` replaces itself with the program,
/// so the process id is that of the server.
fn as_user(program: &str) -> Command {
    let path = programs().join(program);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
        ])
        .arg(path);
    command
}

fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is installed by `tests/run install`");
    let newest = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .max();
    newest.expect("PostgreSQL is installed by `tests/run install`")
}
