//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use campanile::connection::ServerAddress;
use campanile::jid::BareJid;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const ABOUT: &str = "\
Ready-made components for XMPP servers, in one process.

Campanile attaches to Prosody, ejabberd or any other server with a component port (XEP-0114), one \
connection for each
component of its configuration, and answers for the addresses below it.";

const HELP: &str = "\
Begin here:
  campanile demo                         see every component at work, without a server
  campanile init prosody                 write a configuration, and what the server needs for it
  campanile check --config my.toml       find every fault of a configuration
  campanile run --config my.toml         serve until SIGTERM or SIGINT

Environment:
  CAMPANILE_CONFIG   the configuration file, where --config names none
  RUST_LOG           what is logged: error, warn, info (the default), debug, trace, or by target: \
  info,campanile=debug
  NO_COLOR           no colours, on a terminal either

Exit codes:
  0   done                      70  a fault of ours, or a second signal cut the stop short
  64  wrong usage               71  refused by the machine: already running, port taken, no \
  permission, disk
  69  refused by the server     78  wrong configuration";

/// What the process was asked to do.
#[derive(Debug, Parser)]
#[command(
    name = "campanile",
    version,
    about = "Ready-made components for XMPP servers, in one process"
)]
#[command(long_about = ABOUT, after_help = HELP, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// How log lines are written, on stderr
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
    /// Lines to read
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show every component at work on an embedded server, and end
    #[command(after_help = DEMO)]
    Demo(Demo),
    /// Find every fault of the configuration, with its line and its remedy
    #[command(after_help = CHECK)]
    Check(Check),
    /// Serve the components of the configuration until SIGTERM or SIGINT
    #[command(after_help = RUN)]
    Run(ConfigFile),
    /// Write a configuration with a fresh secret, and show what the server needs for it
    #[command(after_help = INIT)]
    Init(Init),
    /// Look into the archive of a logger, export, import, and prune it
    #[command(after_help = crate::archive_cli::EXAMPLES)]
    Archive(crate::archive_cli::Archive),
    /// Show and handle what the JSON bridge has not delivered
    #[command(after_help = OUTBOX)]
    Outbox(Outbox),
    /// Write the completions of a shell on stdout
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Say which version this is
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file; - reads it from stdin
    ///
    /// Without it: CAMPANILE_CONFIG, then ./campanile.toml, then /etc/campanile/campanile.toml.
    /// Paths in the file are relative to the folder of the file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) file: ConfigFile,

    /// Also try what a running daemon would, and explain what is wrong and which line mends it
    ///
    /// Each component is mounted for a moment, with nothing behind it: what arrives is told to try
    /// again. One that is running on this machine is left alone: a second connection would take its
    /// stanzas.
    #[arg(long)]
    pub(crate) connect: bool,

    /// The DNS server that is asked where other servers find a component; by default that of
    /// /etc/resolv.conf
    ///
    /// An address, with a port where it is not 53. Names may mean something else inside than
    /// outside: a public server tells what others see.
    #[arg(long, value_name = "ADDRESS", requires = "connect", value_parser = resolver)]
    pub(crate) resolver: Option<SocketAddr>,
}

/// An address, with or without a port.
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
    /// Which server it is for
    pub(crate) server: ServerKind,

    /// The domain that the component is mounted on, below that of the server as a rule
    #[arg(long, value_name = "DOMAIN", default_value = "echo.example.org", value_parser = domain)]
    pub(crate) jid: BareJid,

    /// Where the server listens for components, if not at its usual port on this machine
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<ServerAddress>,

    /// The folder that campanile.toml and the secret are written to; neither may be there already
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,

    /// For the unit in deploy/systemd: the secret goes to FOLDER/secrets, from which systemd hands
    /// it to the service
    #[arg(long)]
    pub(crate) systemd: bool,
}

/// Servers that are known by name.
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

    /// Where it listens for components unless it is told otherwise.
    pub(crate) fn usual_port(self) -> u16 {
        match self {
            Self::Prosody | Self::Ejabberd => 5347,
            Self::Openfire => 5275,
        }
    }
}

/// A whole domain, such as `echo.example.org`.
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
    /// Give a prompt as alice@localhost instead
    #[arg(short, long)]
    pub(crate) interactive: bool,

    /// Let clients log in, at 127.0.0.1:5222 unless said otherwise, until SIGINT or SIGTERM
    ///
    /// There is no TLS, so this is for the same machine. An address that others can reach is taken
    /// as well; then the passwords are made up anew for each start.
    #[arg(short, long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:5222")]
    pub(crate) listen: Option<SocketAddr>,

    /// Show the XML of each stanza too
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
    /// List what waits and what was given up, the oldest first
    List {
        /// One JSON object per line, with the stanza
        #[arg(long)]
        json: bool,
    },
    /// Try again what was given up, with a full time to live
    Replay(Which),
    /// Drop what was given up
    Drop(Which),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// The number that `list` shows
    pub(crate) number: Option<i64>,

    /// All that was given up
    #[arg(long)]
    pub(crate) all: bool,
}

const OUTBOX: &str = "\
Examples:
  campanile outbox list                        beside a running daemon, or without one
  campanile outbox replay 17                   a running daemon tries it again within seconds
  campanile outbox drop --all --component bridge.example.org";

const DEMO: &str = "\
Examples:
  campanile demo                               who says what to whom
  campanile demo --xml                         the same with the stanzas themselves
  campanile demo --interactive                 a prompt: write a message, or /help
  printf 'hello\\n/quit\\n' | campanile demo -i  the prompt from a script
  campanile demo --listen                      Profanity, Gajim, slixmpp, … may log in; accounts \
  are shown
  campanile demo --listen 127.0.0.1:15222      the same on another port";

const INIT: &str = "\
Examples:
  campanile init prosody --jid echo.example.org > /etc/prosody/conf.d/echo.cfg.lua
  campanile init ejabberd --jid echo.example.org --folder /etc/campanile --systemd
  campanile init openfire --jid echo.example.org --address openfire.example.org:5275

Writes campanile.toml and a secret that only its owner can read, and nothing over files that are \
there. What the server
needs is on stdout, with the secret in it.";

const CHECK: &str = "\
Examples:
  campanile check                              ./campanile.toml or /etc/campanile/campanile.toml
  campanile check --config my.toml --connect   and ask the servers
  campanile check --connect --resolver 9.9.9.9 and see DNS as others do
  my-template | campanile check --config -     from stdin

Exits 0 when there is no fault, 78 when there is one in the file, 69 when --connect found one.";

const RUN: &str = "\
Examples:
  campanile run --config my.toml
  campanile run --config my.toml --log-format json 2>> campanile.log
  RUST_LOG=campanile=debug campanile run --config my.toml

The first SIGTERM or SIGINT finishes what was begun, closes the streams and exits 0; a second one \
ends at once, with 70.
Exits 69 when every component is refused by its server and none was ever mounted; otherwise the \
refused ones are tried
again, and do not hurt the others.";

const COMPLETIONS: &str = "\
Examples:
  campanile completions bash > /etc/bash_completion.d/campanile
  campanile completions fish > ~/.config/fish/completions/campanile.fish";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_description_is_sound() {
        super::Cli::command().debug_assert();
    }
}
