//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use campanile::connection::ServerAddress;
use campanile::jid::BareJid;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const ABOUT: &str = "\
Ready-made components for XMPP servers, in one process.

Campanile connects to Prosody, ejabberd or any other server with a component port (XEP-0114), with \
one connection
for each component in its configuration, and serves the addresses of that component.";

const HELP: &str = "\
Getting started:
  campanile demo                         run every component on an embedded server
  campanile init prosody                 write a configuration, and print the server's part of it
  campanile check --config my.toml       report every fault of a configuration
  campanile run --config my.toml         serve until SIGTERM or SIGINT

Environment:
  CAMPANILE_CONFIG   the configuration file, unless --config is given
  RUST_LOG           log filter: error, warn, info (the default), debug, trace, or levels by \
  target: info,campanile=debug
  NO_COLOR           disables colors on a terminal

Exit codes:
  0   success
  64  wrong usage
  69  refused by the server
  70  internal error, or forced shutdown
  71  system error: already running, port in use, permission denied, disk full
  78  invalid configuration";

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "campanile",
    version,
    about = "Ready-made components for XMPP servers, in one process"
)]
#[command(long_about = ABOUT, after_help = HELP, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Format of log lines on stderr
    #[arg(
        long,
        value_enum,
        default_value_t,
        global = true,
        value_name = "FORMAT"
    )]
    pub(crate) log_format: LogFormat,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Plain text
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every component on an embedded server, show a conversation with each, and exit
    #[command(after_help = DEMO)]
    Demo(Demo),
    /// Report every fault of the configuration, with its line and a remedy
    #[command(after_help = CHECK)]
    Check(Check),
    /// Serve the components of the configuration until SIGTERM or SIGINT
    #[command(after_help = RUN)]
    Run(ConfigFile),
    /// Write a configuration with a new secret, and print the snippet for the server
    #[command(after_help = INIT)]
    Init(Init),
    /// Search, export, import and prune the archive of a logger
    #[command(after_help = crate::archive_cli::EXAMPLES)]
    Archive(crate::archive_cli::Archive),
    /// List, replay and drop undelivered messages of the JSON bridge
    #[command(after_help = OUTBOX)]
    Outbox(Outbox),
    /// Print the completion script of a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the version
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file; - reads it from stdin
    ///
    /// Defaults to CAMPANILE_CONFIG, then ./campanile.toml, then /etc/campanile/campanile.toml.
    /// Paths in the file are relative to the folder of the file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) file: ConfigFile,

    /// Also connect to each server, and explain how to fix any problem found
    ///
    /// Mounts each component briefly without its modules: stanzas that arrive are answered with
    /// recipient-unavailable, so that senders try again. A component that runs on this machine is
    /// left alone, since a second connection would take its stanzas.
    #[arg(long)]
    pub(crate) connect: bool,

    /// DNS server for finding components as other servers do; defaults to that of /etc/resolv.conf
    ///
    /// An address, with a port unless that is 53. Internal and public DNS may differ: a public DNS
    /// server shows what other XMPP servers see.
    #[arg(long, value_name = "ADDRESS", requires = "connect", value_parser = resolver)]
    pub(crate) resolver: Option<SocketAddr>,
}

/// Parses an address with an optional port.
fn resolver(text: &str) -> Result<SocketAddr, String> {
    let alone = text
        .parse()
        .map(|address: IpAddr| SocketAddr::new(address, 53));
    alone
        .or_else(|_| text.parse())
        .map_err(|_| "write an address, such as 9.9.9.9, 127.0.0.1:5353 or [::1]:53".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The kind of server
    pub(crate) server: ServerKind,

    /// The domain of the component, usually a subdomain of the server
    #[arg(long, value_name = "DOMAIN", default_value = "echo.example.org", value_parser = domain)]
    pub(crate) jid: BareJid,

    /// Component port of the server; defaults to its usual port on this machine
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<ServerAddress>,

    /// The folder for campanile.toml and the secret; neither file may exist
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,

    /// Write the secret to FOLDER/secrets, from which the unit in deploy/systemd loads credentials
    #[arg(long)]
    pub(crate) systemd: bool,
}

/// Supported kinds of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServerKind {
    Prosody,
    Ejabberd,
    Openfire,
}

impl ServerKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Prosody => "prosody",
            Self::Ejabberd => "ejabberd",
            Self::Openfire => "openfire",
        }
    }

    /// Returns the default component port.
    pub(crate) fn usual_port(self) -> u16 {
        match self {
            Self::Prosody | Self::Ejabberd => 5347,
            Self::Openfire => 5275,
        }
    }
}

/// Parses a domain, such as `echo.example.org`.
fn domain(text: &str) -> Result<BareJid, String> {
    let jid = BareJid::new(text).map_err(|error| error.to_string())?;
    if jid.node().is_some() {
        Err("a component is mounted on a whole domain".to_owned())
    } else {
        Ok(jid)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Start a prompt as alice@localhost instead
    #[arg(short, long)]
    pub(crate) interactive: bool,

    /// Accept client connections, by default on 127.0.0.1:5222, until SIGINT or SIGTERM
    ///
    /// Connections have no TLS, so use this on the local machine only. On an address that other
    /// machines can reach, the passwords are generated at each start.
    #[arg(short, long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:5222")]
    pub(crate) listen: Option<SocketAddr>,

    /// Also show the XML of each stanza
    #[arg(long)]
    pub(crate) xml: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Outbox {
    /// The configuration file, as for `run`
    #[arg(short, long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    /// Only the outbox of this component
    #[arg(long, value_name = "JID", global = true)]
    pub(crate) component: Option<String>,

    #[command(subcommand)]
    pub(crate) what: OutboxCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    /// List pending messages and dead letters, oldest first
    List {
        /// Print one JSON object per line, with the stanza
        #[arg(long)]
        json: bool,
    },
    /// Schedule dead letters for delivery, with their full time to live
    Replay(Which),
    /// Delete dead letters
    Drop(Which),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// The number shown by `list`
    pub(crate) number: Option<i64>,

    /// All dead letters
    #[arg(long)]
    pub(crate) all: bool,
}

const OUTBOX: &str = "\
Examples:
  campanile outbox list                        with or without a running daemon
  campanile outbox replay 17                   a running daemon retries it within seconds
  campanile outbox drop --all --component bridge.example.org";

const DEMO: &str = "\
Examples:
  campanile demo                               show the conversation
  campanile demo --xml                         show it with the stanzas
  campanile demo --interactive                 start a prompt: type a message, or /help
  printf 'hello\\n/quit\\n' | campanile demo -i  drive the prompt from a script
  campanile demo --listen                      accept Profanity, Gajim, slixmpp, …; prints the \
  accounts
  campanile demo --listen 127.0.0.1:15222      accept them on another port";

const INIT: &str = "\
Examples:
  campanile init prosody --jid echo.example.org > /etc/prosody/conf.d/echo.cfg.lua
  campanile init ejabberd --jid echo.example.org --folder /etc/campanile --systemd
  campanile init openfire --jid echo.example.org --address openfire.example.org:5275

Writes campanile.toml and a secret that only its owner can read; existing files are never \
overwritten. The snippet for
the server, which contains the secret, goes to stdout.";

const CHECK: &str = "\
Examples:
  campanile check                              ./campanile.toml or /etc/campanile/campanile.toml
  campanile check --config my.toml --connect   also connect to the servers
  campanile check --connect --resolver 9.9.9.9 query public DNS
  my-template | campanile check --config -     read the configuration from stdin

Exits with 0 if there is no fault, 78 for a fault in the file, 69 for a fault found by --connect.";

const RUN: &str = "\
Examples:
  campanile run --config my.toml
  campanile run --config my.toml --log-format json 2>> campanile.log
  RUST_LOG=campanile=debug campanile run --config my.toml

The first SIGTERM or SIGINT finishes pending work, closes the streams and exits with 0; a second \
one exits at once with 70.
SIGHUP reloads the configuration. Exits with 69 if every component is refused by its server and \
none was ever mounted;
otherwise refused components are retried and do not affect the others.";

const COMPLETIONS: &str = "\
Examples:
  campanile completions bash > /etc/bash_completion.d/campanile
  campanile completions fish > ~/.config/fish/completions/campanile.fish";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn command_line_definition_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
