//! A temporary PostgreSQL with Debian's settings, for the PostgreSQL archive.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, getuid, kill_process};

const STARTS_WITHIN: Duration = Duration::from_secs(30);
const ENDS_WITHIN: Duration = Duration::from_secs(30);
const ALL: &str = "/usr/lib/postgresql";

/// A database server, stopped and deleted when dropped.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    folder: PathBuf,
    port: u16,
}

/// Returns `true` if PostgreSQL is installed.
pub fn is_available() -> bool {
    programs().is_ok()
}

impl Postgres {
    pub fn start() -> Result<Self> {
        // Not in the benchmark's folder, which the database user may not be able to access.
        let folder =
            std::env::temp_dir().join(format!("campanile-bench-postgres-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        if getuid().is_root() {
            let given = Command::new("chown")
                .arg("postgres")
                .arg(&folder)
                .status()?;
            ensure!(given.success(), "missing user postgres");
        }
        let data = folder.join("data");
        let mut made = as_user("initdb")?;
        made.args([
            "--auth=trust",
            "--username=campanile",
            "--encoding=UTF8",
            "--locale=C",
            "-D",
        ])
        .arg(&data);
        let made = made.output()?;
        ensure!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let log = folder.join("log");
        let output = File::create(&log)?;
        let mut command = as_user("postgres")?;
        command
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-k", "", "-p", &port.to_string()]);
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let mut this = Self {
            child,
            folder,
            port,
        };
        this.await_ready(&log)?;
        Ok(this)
    }

    pub fn address(&self) -> String {
        format!("postgres://campanile@127.0.0.1:{}/postgres", self.port)
    }

    fn await_ready(&mut self, log: &Path) -> Result<()> {
        let deadline = Instant::now() + STARTS_WITHIN;
        loop {
            let said = fs::read_to_string(log).unwrap_or_default();
            if said.contains("ready to accept connections") {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("PostgreSQL did not start: {said}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // Fails only if the process has already ended. INT does not wait for clients.
            let _ = kill_process(pid, Signal::INT);
        }
        let deadline = Instant::now() + ENDS_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        // Leftovers are in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns a command for one of the server's programs. `setpriv` replaces itself with the program,
/// so the process id is that of the server.
fn as_user(program: &str) -> Result<Command> {
    let path = programs()?.join(program);
    if !getuid().is_root() {
        return Ok(Command::new(path));
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
    Ok(command)
}

fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir(ALL).context("PostgreSQL is not installed")?;
    let newest = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .max();
    newest
        .filter(|bin| bin.join("initdb").exists())
        .context("PostgreSQL is not installed")
}
