//! Fixture for the `campanile` binary.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::cargo;
use crate::folder::Folder;
use crate::namespace::Namespace;
use crate::output::Output;
use crate::process::Process;
use crate::wait::{self, TIMEOUT};

/// A `campanile run` process with its own configuration and folder.
#[derive(Debug)]
pub struct Daemon {
    process: Process,
    output: Output,
    folder: Folder,
}

impl Daemon {
    /// Starts the daemon. `configuration` is the text of a `campanile.toml`. Use [`Daemon::logs`]
    /// to wait until it is ready.
    pub fn start(configuration: &str) -> Self {
        Self::start_with(configuration, &[])
    }

    /// Like [`Daemon::start`], with environment variables.
    pub fn start_with(configuration: &str, environment: &[(&str, &str)]) -> Self {
        Self::launch(
            Command::new(binary()),
            Folder::new("daemon"),
            configuration,
            environment,
        )
    }

    /// Starts the daemon in a network namespace.
    pub fn start_in(namespace: &Namespace, configuration: &str) -> Self {
        Self::launch(
            namespace.command(binary()),
            Folder::new("daemon"),
            configuration,
            &[],
        )
    }

    /// Like [`Daemon::start`], through a program that replaces itself with the daemon (`exec`).
    pub fn start_behind(program: &[&str], configuration: &str) -> Self {
        let (program, arguments) = program.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(arguments).arg(binary());
        Self::launch(command, Folder::new("daemon"), configuration, &[])
    }

    /// Like [`Daemon::start`], with strace attached, which records these system calls and their
    /// data.
    pub fn start_traced(configuration: &str, calls: &str) -> Self {
        let folder = Folder::new("daemon");
        let mut command = Command::new("strace");
        // -D: the started process is the daemon itself, and the tracer is a separate process.
        command.args(["-D", "-f", "-y", "-s", "200000", "-o", &folder.at("trace")]);
        command
            .args(["-e", &format!("trace={calls}"), "--"])
            .arg(binary());
        Self::launch(command, folder, configuration, &[])
    }

    /// Returns the strace output of a daemon started by [`Daemon::start_traced`], once it has
    /// ended.
    pub async fn trace(&self) -> Vec<String> {
        let path = self.folder.path().join("trace");
        let pid = self.process.pid().to_string();
        let ended = async || {
            let text = String::from_utf8_lossy(&std::fs::read(&path).ok()?).into_owned();
            let end = |line: &str| {
                line.split_once(' ')
                    .is_some_and(|(id, rest)| id == pid && rest.contains("+++ exited"))
            };
            text.lines().any(end).then_some(text)
        };
        let text = wait::until("the end of the trace", TIMEOUT, ended)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        text.lines().map(str::to_owned).collect()
    }

    fn launch(
        command: Command,
        folder: Folder,
        configuration: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        folder.write("campanile.toml", configuration);
        let output = Output::default();
        let process = Self::process_in(command, &folder, environment, &output);
        Self {
            process,
            output,
            folder,
        }
    }

    /// Kills the daemon with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Restarts the daemon after it has ended, with the same configuration and folder.
    pub fn start_again(&mut self) {
        self.process = Self::process_in(Command::new(binary()), &self.folder, &[], &self.output);
    }

    fn process_in(
        mut command: Command,
        folder: &Folder,
        environment: &[(&str, &str)],
        output: &Output,
    ) -> Process {
        command
            .args([
                "run",
                "--config",
                &folder.at("campanile.toml"),
                "--log-format",
                "json",
            ])
            .current_dir(folder.path())
            .env_remove("RUST_LOG")
            // Locks are per JID, and parallel tests use the same JIDs on different servers.
            .env("XDG_RUNTIME_DIR", folder.path())
            .envs(environment.iter().copied());
        Process::start("campanile run", command, output)
    }

    /// Replaces the configuration and sends `SIGHUP` to reload it.
    pub fn reconfigure(&mut self, configuration: &str) {
        self.folder.write("campanile.toml", configuration);
        self.signal("HUP");
    }

    /// Waits for the first log line, past or future, that satisfies `fits`.
    pub async fn logs(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let parse = |line: &str| serde_json::from_str::<Value>(line).ok();
        let line = self
            .output
            .line(TIMEOUT, |line| {
                parse(line).is_some_and(|value| fits(&value))
            })
            .await;
        match line {
            Ok(line) => parse(&line).expect("was parsed before"),
            Err(error) => {
                let ended = self.process.ended();
                panic!(
                    "campanile did not log {what}: {error}; exit status: {ended:?}\n{}",
                    self.output.tail()
                )
            }
        }
    }

    /// Sends a signal by its short name: `TERM`, `INT`, `HUP`.
    pub fn signal(&mut self, signal: &str) {
        self.process.signal(signal);
    }

    /// Waits until the daemon ends.
    pub async fn wait(&mut self, within: Duration) -> ExitStatus {
        self.process.end(within).await
    }

    /// Sends `SIGTERM` and returns the exit status.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait(TIMEOUT).await
    }

    /// Returns the process, for memory, CPU time and exit status.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Returns the output.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Returns the working folder, which relative paths in the configuration refer to.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

/// Exit code and output of a command.
#[derive(Debug)]
pub struct CommandOutput {
    /// Exit code, unless killed by a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error: faults and logs.
    pub stderr: String,
}

/// Runs a `campanile` command to completion in a folder, which also holds the lock files.
pub async fn command(folder: &Folder, arguments: &[&str]) -> CommandOutput {
    command_with(folder, arguments, &[]).await
}

/// Like [`command`], with environment variables.
pub async fn command_with(
    folder: &Folder,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> CommandOutput {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .current_dir(folder.path())
        .env_remove("RUST_LOG")
        .env_remove("CAMPANILE_CONFIG")
        .env("XDG_RUNTIME_DIR", folder.path())
        .envs(environment.iter().copied());
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run
        .await
        .expect("the task ends")
        .expect("the binary starts");
    CommandOutput {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Returns the path of the binary. It is built from the current source once per test process,
/// unless `CAMPANILE_BIN` names another one.
pub fn binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| std::env::var_os("CAMPANILE_BIN").map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
    let target = crate::target_directory();
    let folder = crate::profile_directory();
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut build = cargo::command(env!("CARGO_MANIFEST_DIR"));
    build
        .args([
            "build",
            "--quiet",
            "--package",
            "campanile-daemon",
            "--bin",
            "campanile",
            "--profile",
            profile,
        ])
        .arg("--all-features")
        .arg("--target-dir")
        .arg(&target);
    cargo::run(build);
    folder.join("campanile")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A fake daemon: logs its arguments, rereads its configuration on HUP, exits on TERM.
    /// A shell cannot trap a signal that was ignored when it started, as under `nohup`.
    const SCRIPT: &str = r#"#!/usr/bin/env -S --default-signal=HUP /bin/sh
trap 'echo "{\"message\":\"reloaded\",\"text\":\"$(cat "$3")\"}" >&2' HUP
trap 'exit 5' TERM
echo not json >&2
echo "{\"message\":\"up\",\"arguments\":\"$1 $2 $4 $5\",\"name\":\"$NAME\"}" >&2
while :; do sleep 0.01; done
"#;

    #[tokio::test]
    async fn daemon_starts_reloads_and_stops() {
        let folder = Folder::new("fake-daemon");
        folder.write("campanile", SCRIPT);
        let script = folder.path().join("campanile");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
        let fake = Command::new(&script);
        let mut daemon = Daemon::launch(fake, Folder::new("daemon"), "one", &[("NAME", "value")]);
        let up = daemon
            .logs("that it is up", |line| line["message"] == "up")
            .await;
        assert_eq!(
            (&up["arguments"], &up["name"]),
            (&"run --config --log-format json".into(), &"value".into())
        );
        daemon.reconfigure("two");
        daemon
            .logs("the new configuration", |line| line["text"] == "two")
            .await;
        assert_eq!(daemon.stop().await.code(), Some(5));
    }
}
