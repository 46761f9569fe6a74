//! Fixtures for real servers, each in a temporary folder on free loopback ports.

pub(crate) mod certificate;
mod ejabberd;
mod prosody;
pub(crate) mod release;

use std::time::Duration;

use crate::folder::Folder;
use crate::output::Output;
use crate::ports;
use crate::process::Process;
use crate::setup::Setup;
use crate::wait::{self, answers};

/// Time limit for starting on two busy cores.
const START: Duration = Duration::from_secs(60);

/// Starts Prosody servers.
#[derive(Debug)]
pub struct Prosody;

impl Prosody {
    /// Starts a server and waits until it accepts clients and components.
    pub async fn start(setup: &Setup) -> Server {
        Server::start(Kind::Prosody, setup).await
    }
}

/// Starts ejabberd servers.
#[derive(Debug)]
pub struct Ejabberd;

impl Ejabberd {
    /// Starts a server and waits until it accepts clients and components.
    pub async fn start(setup: &Setup) -> Server {
        Server::start(Kind::Ejabberd, setup).await
    }
}

/// Server implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Prosody, run as a `prosody` process.
    Prosody,
    /// ejabberd, run as an Erlang node.
    Ejabberd,
}

/// A server that can be stopped and restarted.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    process: Option<Process>,
    output: Output,
    site: Site,
}

/// State that outlives a restart. In [`Server`] the process precedes it, so that it ends before the
/// folder is removed.
#[derive(Debug)]
struct Site {
    folder: Folder,
    client: u16,
    component: u16,
    tls: Option<u16>,
    servers: Option<u16>,
    /// Port of ejabberd's Erlang node.
    node: u16,
}

impl Server {
    async fn start(kind: Kind, setup: &Setup) -> Self {
        let mut setup = setup.clone();
        if setup.components.is_empty() {
            // Without components Prosody would not open the port, which is waited for below.
            setup.components.push("unused.localhost".into());
        }
        let folder = Folder::new(match kind {
            Kind::Prosody => "prosody",
            Kind::Ejabberd => "ejabberd",
        });
        let tls = setup.tls.then(ports::free);
        let servers = setup.federated.then(ports::free);
        let site = Site {
            folder,
            client: ports::free(),
            component: ports::free(),
            tls,
            servers,
            node: ports::free(),
        };
        if setup.tls {
            certificate::make(&site.folder);
        }
        match kind {
            Kind::Prosody => prosody::configure(&site, &setup),
            Kind::Ejabberd => ejabberd::configure(&site, &setup),
        }
        let mut server = Self {
            kind,
            process: None,
            output: Output::default(),
            site,
        };
        server.start_again().await;
        server
    }

    /// Restarts the server with the same ports and data, after [`Server::stop`] or
    /// [`Server::kill`].
    pub async fn start_again(&mut self) {
        assert!(self.process.is_none(), "{:?} is running", self.kind);
        let site = &self.site;
        let command = match self.kind {
            Kind::Prosody => prosody::command(site),
            Kind::Ejabberd => ejabberd::command(site),
        };
        let mut process = Process::start(&format!("{:?}", self.kind), command, &self.output);
        let up = wait::until("ports that answer", START, async || {
            if let Some(status) = process.ended() {
                return Some(Err(format!("ended with {status}")));
            }
            self.is_ready().await.then_some(Ok(()))
        });
        if let Err(error) = up.await.and_then(|up| up) {
            panic!(
                "{:?} did not start: {error}\n{}",
                self.kind,
                self.output.tail()
            );
        }
        self.process = Some(process);
    }

    /// Stops the server with SIGTERM and waits until it has ended.
    pub async fn stop(&mut self) {
        let mut process = self.running();
        process.signal("TERM");
        process.end(START).await;
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) {
        self.running().kill();
    }

    /// Runs a command in the server's shell and returns its output: for Prosody a line of
    /// `prosodyctl shell` (`host:deactivate("echo.localhost")`), for ejabberd the words of an
    /// `ejabberdctl` command.
    pub fn shell(&self, line: &str) -> String {
        let mut command = match self.kind {
            Kind::Prosody => prosody::shell(&self.site, line),
            Kind::Ejabberd => ejabberd::shell(&self.site, line),
        };
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{line}: {}\n{printed}{words}{}",
            output.status,
            self.output.tail()
        );
        printed
    }

    /// Adds a snippet to the configuration. It takes effect when the server is reloaded through its
    /// shell.
    pub fn add(&self, snippet: &str) {
        match self.kind {
            Kind::Prosody => self.site.folder.write("conf.d/added.cfg.lua", snippet),
            Kind::Ejabberd => ejabberd::add(&self.site, snippet),
        }
    }

    /// Returns the server implementation.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the client address, without TLS.
    pub fn client_address(&self) -> String {
        format!("127.0.0.1:{}", self.site.client)
    }

    /// Returns the component address.
    pub fn component_address(&self) -> String {
        format!("127.0.0.1:{}", self.site.component)
    }

    /// Returns the component address with TLS, if enabled in the setup. The certificate is for
    /// `localhost`.
    pub fn component_tls_address(&self) -> String {
        format!(
            "127.0.0.1:{}",
            self.site.tls.expect("the setup enables TLS")
        )
    }

    /// Returns the server-to-server address, if enabled in the setup.
    pub fn server_address(&self) -> String {
        format!(
            "127.0.0.1:{}",
            self.site.servers.expect("the setup enables federation")
        )
    }

    /// Returns the path of the CA certificate for [`Server::component_tls_address`].
    pub fn ca_file(&self) -> String {
        self.site.folder.at("ca.pem")
    }

    /// Returns the release, such as `(0, 12)` for Prosody 0.12.3 and `(24, 12)` for ejabberd 24.12.
    pub fn release(&self) -> (u32, u32) {
        let (marker, text) = match self.kind {
            Kind::Prosody => ("Prosody version ", self.output.lines().join("\n")),
            Kind::Ejabberd => ("ejabberd ", self.shell("status")),
        };
        let mut numbers = text.split(marker).skip(1).filter_map(release::numbers);
        numbers
            .next()
            .unwrap_or_else(|| panic!("no version in {text}"))
    }

    /// Returns the server's log.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Returns the process while it is running.
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    async fn is_ready(&self) -> bool {
        if self.kind == Kind::Ejabberd && !ejabberd::has_users(&self.site) {
            return false;
        }
        let ports = [
            Some(self.site.client),
            Some(self.site.component),
            self.site.tls,
            self.site.servers,
        ];
        for port in ports.into_iter().flatten() {
            if !answers(&format!("127.0.0.1:{port}")).await {
                return false;
            }
        }
        true
    }

    fn running(&mut self) -> Process {
        self.process
            .take()
            .unwrap_or_else(|| panic!("{:?} is not running", self.kind))
    }
}
