//! Real servers, each in a temporary folder and on free loopback ports.

pub(crate) mod certificate;
mod ejabberd;
mod prosody;

use std::time::Duration;

use crate::folder::Folder;
use crate::output::Output;
use crate::ports;
use crate::process::Process;
use crate::setup::Setup;
use crate::wait::{self, answers};

/// A start on two busy cores.
const START: Duration = Duration::from_secs(60);

/// Starts Prosody.
#[derive(Debug)]
pub struct Prosody;

impl Prosody {
    /// Returns once clients and components are answered.
    pub async fn start(setup: &Setup) -> Server {
        Server::start(Kind::Prosody, setup).await
    }
}

/// Starts ejabberd.
#[derive(Debug)]
pub struct Ejabberd;

impl Ejabberd {
    /// Returns once clients and components are answered.
    pub async fn start(setup: &Setup) -> Server {
        Server::start(Kind::Ejabberd, setup).await
    }
}

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Prosody, a process of `prosody`.
    Prosody,
    /// ejabberd, an Erlang node.
    Ejabberd,
}

/// A server that runs, or is stopped and can be started again.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    process: Option<Process>,
    output: Output,
    site: Site,
}

/// What outlives a restart. The process stands before it in [`Server`], so it ends before the
/// folder goes.
#[derive(Debug)]
struct Site {
    folder: Folder,
    client: u16,
    component: u16,
    tls: Option<u16>,
    servers: Option<u16>,
    /// ejabberd: where its Erlang node listens.
    node: u16,
}

impl Server {
    async fn start(kind: Kind, setup: &Setup) -> Self {
        let mut setup = setup.clone();
        if setup.components.is_empty() {
            // Without any Prosody would not open the port that is waited for below.
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

    /// Starts it on the same ports and with the same data, after [`Server::stop`] or
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

    /// Ends it as an operator does, and waits for that.
    pub async fn stop(&mut self) {
        let mut process = self.running();
        process.signal("TERM");
        process.end(START).await;
    }

    /// Ends it as a failing machine does.
    pub fn kill(&mut self) {
        self.running().kill();
    }

    /// Runs a command of the server's own shell and returns what it printed: for Prosody a line of
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

    /// Adds a snippet to the configuration, as an operator does; the server's shell makes it read
    /// that anew.
    pub fn add(&self, snippet: &str) {
        match self.kind {
            Kind::Prosody => self.site.folder.write("conf.d/added.cfg.lua", snippet),
            Kind::Ejabberd => ejabberd::add(&self.site, snippet),
        }
    }

    /// Which server it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where clients log in, without TLS.
    pub fn client_address(&self) -> String {
        format!("127.0.0.1:{}", self.site.client)
    }

    /// Where components connect.
    pub fn component_address(&self) -> String {
        format!("127.0.0.1:{}", self.site.component)
    }

    /// Where components connect over TLS; the set-up must ask for it. The certificate is for
    /// `localhost`.
    pub fn component_tls_address(&self) -> String {
        format!(
            "127.0.0.1:{}",
            self.site.tls.expect("the set-up asks for TLS")
        )
    }

    /// Where other servers connect; the set-up must ask for it.
    pub fn server_address(&self) -> String {
        format!(
            "127.0.0.1:{}",
            self.site.servers.expect("the set-up asks for federation")
        )
    }

    /// The certificate authority behind [`Server::component_tls_address`], as a file.
    pub fn ca_file(&self) -> String {
        self.site.folder.at("ca.pem")
    }

    /// What the server has logged.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Its process, while it runs.
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
