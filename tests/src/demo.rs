//! Fixture for `campanile demo --listen`, the embedded server for XMPP clients.

use std::process::{Command, ExitStatus};

use crate::daemon::binary;
use crate::output::Output;
use crate::process::Process;
use crate::wait::TIMEOUT;

/// Password of both users, `alice` and `bob`.
pub const PASSWORD: &str = "demo";

/// A demo process that listens on a free loopback port.
#[derive(Debug)]
pub struct Demo {
    process: Process,
    output: Output,
    address: String,
}

impl Demo {
    /// Starts the demo and waits until clients can log in.
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
        let line = line.unwrap_or_else(|error| {
            panic!(
                "the demo did not start listening: {error}\n{}",
                output.tail()
            )
        });
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

    /// Returns the client address, as `host:port`.
    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// Returns the output.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Sends `SIGINT` and returns the exit status.
    pub async fn stop(&mut self) -> ExitStatus {
        self.process.signal("INT");
        self.process.end(TIMEOUT).await
    }
}
