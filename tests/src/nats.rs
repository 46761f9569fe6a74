//! Fixture for a NATS server with JetStream (Debian package), on a free loopback port.

use std::process::Command;
use std::time::Duration;

use crate::folder::Folder;
use crate::output::Output;
use crate::ports;
use crate::process::Process;
use crate::wait;

/// A NATS server, killed when dropped.
#[derive(Debug)]
pub struct Nats {
    process: Option<Process>,
    output: Output,
    port: u16,
    folder: Folder,
}

impl Nats {
    /// Starts a server and waits until it accepts connections.
    pub async fn start() -> Self {
        let folder = Folder::new("nats");
        let port = ports::free();
        let mut this = Self {
            process: None,
            output: Output::default(),
            port,
            folder,
        };
        this.start_again().await;
        this
    }

    /// Returns the URL, for a configuration.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Restarts the server with the same data and port.
    pub async fn start_again(&mut self) {
        let mut command = Command::new("nats-server");
        let port = self.port.to_string();
        let data = self.folder.at("data");
        command.args(["-js", "-a", "127.0.0.1", "-p", &port, "-sd", &data]);
        self.process = Some(Process::start("nats-server", command, &self.output));
        let address = format!("127.0.0.1:{}", self.port);
        let up = async || wait::answers(&address).await.then_some(());
        let started = wait::until("NATS", Duration::from_secs(30), up).await;
        started.unwrap_or_else(|error| panic!("{error}\n{}", self.output.tail()));
    }
}
