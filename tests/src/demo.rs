//! `campanile demo --listen`: the embedded server, for clients of other makes.

use std::process::{Command, ExitStatus};

use crate::daemon::binary;
use crate::output::Output;
use crate::process::Process;
use crate::wait::TIMEOUT;

/// The password of both its users, `alice` and `bob`.
pub const PASSWORD: &str = "demo";

/// The demo, while it listens on a free port of loopback.
#[derive(Debug)]
pub struct Demo {
    process: Process,
    output: Output,
    address: String,
}

impl Demo {
    /// Starts it, and waits until clients may log in.
    pub async fn start() -> Self {
        let output = Output::default();
        let mut command = Command::new(binary());
        command
            .args(["demo", "--listen", "127.0.0.1:0", "--xml"])
            .env_remove("RUST_LOG");
        let process = Process::start("campanile demo", command, &output);
        let line = output
            .line(TIMEOUT, |line| line.starts_with("Clients may log in on "))
            .await;
        let line = line
            .unwrap_or_else(|error| panic!("the demo does not listen: {error}\n{}", output.tail()));
        let address = line
            .trim_start_matches("Clients may log in on ")
            .split(',')
            .next()
            .unwrap_or_default()
            .to_owned();
        Self {
            process,
            output,
            address,
        }
    }

    /// Where clients connect, as `host:port`.
    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// What it shows.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Ctrl-C, and the exit status.
    pub async fn stop(&mut self) -> ExitStatus {
        self.process.signal("INT");
        self.process.end(TIMEOUT).await
    }
}
