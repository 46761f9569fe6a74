//! The command line.

pub(crate) mod config_file;
mod help;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use campanile::connection::ServerAddress;
use campanile::jid::BareJid;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use self::config_file::ConfigFile;
use crate::archive_cli::{self, Archive};
use crate::config_cli::{self, ConfigCommands};
use crate::log::LogFormat;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "campanile",
    version,
    about = "Ready-made components for XMPP servers, in one process"
)]
#[command(
    long_about = help::ABOUT,
    after_help = help::HELP,
    disable_help_subcommand = true,
    max_term_width = 100
)]
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

    /// The configuration file, as after the command
    // An id of its own: the values of global arguments with one id are shared between commands.
    #[arg(id = "config_before", short, long = "config", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Hands `--config` to the command, if it stands before it.
    ///
    /// # Errors
    /// Fails if the command reads no configuration, or has the option twice.
    pub(crate) fn with_config(mut self) -> Result<Self, clap::Error> {
        let Some(file) = self.config.take() else {
            return Ok(self);
        };
        let place = match &mut self.command {
            Command::Check(check) => &mut check.file.config,
            Command::Run(options) => &mut options.config,
            Command::Archive(archive) => archive.config(),
            Command::Outbox(outbox) => &mut outbox.config,
            Command::Config(config) => match config.file() {
                Some(place) => place,
                None => return Err(unexpected("this command reads no configuration")),
            },
            Command::Demo(_)
            | Command::Init(_)
            | Command::Completions { .. }
            | Command::Version => return Err(unexpected("this command reads no configuration")),
        };
        if place.replace(file).is_some() {
            return Err(unexpected("the configuration is named twice"));
        }
        Ok(self)
    }
}

fn unexpected(why: &str) -> clap::Error {
    Cli::command().error(
        ErrorKind::ArgumentConflict,
        format!("unexpected --config: {why}"),
    )
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every component on an embedded server, show a conversation with each, and exit
    #[command(after_help = help::DEMO)]
    Demo(Demo),
    /// Report every fault of the configuration, with its line and a remedy
    #[command(after_help = help::CHECK)]
    Check(Check),
    /// Serve the components of the configuration until SIGTERM or SIGINT
    #[command(after_help = help::RUN)]
    Run(ConfigFile),
    /// Write a configuration with a new secret, and print the snippet for the server
    #[command(after_help = help::INIT)]
    Init(Init),
    /// Format the configuration file, or print its JSON Schema
    #[command(after_help = config_cli::EXAMPLES)]
    Config(ConfigCommands),
    /// Search, export, import and prune the archive of a logger
    #[command(after_help = archive_cli::EXAMPLES)]
    Archive(Archive),
    /// List, replay and drop undelivered messages of the JSON bridge
    #[command(after_help = help::OUTBOX)]
    Outbox(Outbox),
    /// Print the completion script of a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the version
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) file: ConfigFile,

    /// Also connect to each server, and explain how to fix any problem found
    ///
    /// Mounts each component briefly without its modules: stanzas that arrive are answered with
    /// recipient-unavailable, so that senders try again. A component that runs on this machine is
    /// left alone, since a second connection would take its stanzas. Connects to each webhook as
    /// well, without a request; one that cannot be reached is a note, since its handler may start
    /// later.
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

    /// The folder for campanile.toml and the secret; created if missing, neither file may exist
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,

    /// Write the configuration of the server to this new file, instead of stdout
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

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
    #[arg(
        short,
        long,
        value_name = "ADDRESS",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:5222"
    )]
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn command_line_definition_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
