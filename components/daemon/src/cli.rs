//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const ABOUT: &str = "\
Ready-made components for XMPP servers, in one process.

Campanile attaches to Prosody, ejabberd or any other server with a component port (XEP-0114), one connection for each
component of its configuration, and answers for the addresses below it.";

const HELP: &str = "\
Begin here:
  campanile demo                         see every component at work, without a server
  campanile check --config my.toml       find every fault of a configuration
  campanile run --config my.toml         serve until SIGTERM or SIGINT

Environment:
  CAMPANILE_CONFIG   the configuration file, where --config names none
  RUST_LOG           what is logged: error, warn, info (the default), debug, trace, or by target: info,campanile=debug
  NO_COLOR           no colours, on a terminal either

Exit codes:
  0   done                      70  a fault of ours, or a second signal cut the stop short
  64  wrong usage               71  refused by the machine: already running, port taken, no permission, disk
  69  refused by the server     78  wrong configuration";

/// What the process was asked to do.
#[derive(Debug, Parser)]
#[command(name = "campanile", version, about = "Ready-made components for XMPP servers, in one process")]
#[command(long_about = ABOUT, after_help = HELP, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// How log lines are written, on stderr
    #[arg(long, value_enum, default_value_t, global = true, value_name = "FORMAT")]
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
    /// Look into the archive of a logger, export, import, and prune it
    #[command(after_help = crate::archive::EXAMPLES)]
    Log(crate::archive::Log),
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
    /// Without it: CAMPANILE_CONFIG, then ./campanile.toml, then /etc/campanile/campanile.toml. Paths in the file are
    /// relative to the folder of the file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) file: ConfigFile,

    /// Also try the handshake of each component, and explain what its server answers
    ///
    /// A component that is running on this machine is left alone: a second connection would steal its stanzas.
    #[arg(long)]
    pub(crate) connect: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Give a prompt as alice@localhost instead
    #[arg(short, long)]
    pub(crate) interactive: bool,

    /// Let clients log in, at 127.0.0.1:5222 unless said otherwise, until SIGINT or SIGTERM
    ///
    /// There is no TLS, so this is for the same machine. An address that others can reach is taken as well; then the
    /// passwords are made up anew for each start.
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
  campanile demo --listen                      Profanity, Gajim, slixmpp, … may log in; accounts are shown
  campanile demo --listen 127.0.0.1:15222      the same on another port";

const CHECK: &str = "\
Examples:
  campanile check                              ./campanile.toml or /etc/campanile/campanile.toml
  campanile check --config my.toml --connect   and ask the servers
  my-template | campanile check --config -     from stdin

Exits 0 when there is no fault, 78 when there is one, 69 when --connect found a component that cannot be mounted.";

const RUN: &str = "\
Examples:
  campanile run --config my.toml
  campanile run --config my.toml --log-format json 2>> campanile.log
  RUST_LOG=campanile=debug campanile run --config my.toml

The first SIGTERM or SIGINT finishes what was begun, closes the streams and exits 0; a second one ends at once, with 70.
Exits 69 when every component is refused by its server and none was ever mounted; otherwise the refused ones are tried
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
