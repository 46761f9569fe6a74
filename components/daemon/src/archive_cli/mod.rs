//! `campanile archive`: the archive of a logger from the command line, also while a daemon runs.
//!
//! Each command opens its own connection. SQLite allows one writer at a time, so commands write in
//! small steps, between which the daemon can write.

mod filter;
mod progress;
mod prune;
mod read;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use campanile::jid::BareJid;
use campanile_logger::store::{Open, StoreError};
use campanile_storage::StoreAddress;
use clap::{Args, Subcommand, ValueEnum};

use self::filter::Filter;
pub(crate) use self::filter::moment;
use crate::cli::config_file::ConfigFile;
use crate::config::{Config, Source};
use crate::diagnostics;
use crate::exit::Exit;
use crate::log::LogFormat;

#[derive(Debug, Args)]
pub(crate) struct Archive {
    #[command(flatten)]
    file: ConfigFile,

    /// JID of the logger, if the configuration has several
    #[arg(long, value_name = "JID", global = true)]
    component: Option<BareJid>,

    #[command(subcommand)]
    command: Command,
}

impl Archive {
    /// Returns the place of the option that names the configuration.
    pub(crate) fn config(&mut self) -> &mut Option<PathBuf> {
        &mut self.file.config
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the newest matching entries
    Search {
        /// Words that must all occur; bell* matches a prefix
        words: Vec<String>,
        #[command(flatten)]
        filter: Filter,
        /// Maximum number of entries
        #[arg(short = 'n', long, default_value_t = 20, value_name = "NUMBER")]
        limit: usize,
        /// Output format
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show the last entries, and with -f new ones as they arrive
    Tail {
        #[command(flatten)]
        filter: Filter,
        /// Number of entries
        #[arg(short = 'n', long, default_value_t = 10, value_name = "NUMBER")]
        limit: usize,
        /// Keep showing new entries until interrupted
        #[arg(short, long)]
        follow: bool,
        /// Output format
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show the size of the archive, and the senders that use most of it
    Stats,
    /// Write all matching entries
    Export {
        #[command(flatten)]
        filter: Filter,
        /// Output format
        #[arg(long, value_enum, default_value = "ndjson")]
        format: Format,
        /// The file to write; defaults to stdout
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Import entries exported as ndjson; existing entries are left unchanged
    Import {
        /// The file to read; - reads from stdin
        input: PathBuf,
    },
    /// Permanently remove the oldest entries
    #[command(group = clap::ArgGroup::new("rule").required(true))]
    Prune {
        /// Entries older than this time: 2026-01-31T12:00:00Z, 2026-01-31, or an age such as 90d
        #[arg(long, value_name = "TIME", group = "rule")]
        before: Option<String>,
        /// Until all stanzas together fit in this size; the largest senders lose their oldest first
        #[arg(long, value_name = "SIZE", group = "rule")]
        above: Option<String>,
        /// Only show how much would be removed
        #[arg(long)]
        dry_run: bool,
        /// Do not ask for confirmation; required unless stdin is a terminal
        #[arg(short, long)]
        yes: bool,
    },
}

/// Output format of entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Plain text
    #[default]
    Text,
    /// One JSON object per line
    Ndjson,
    /// Comma-separated values, for spreadsheets
    Csv,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile archive search bell --with alice@example.org --since 7d
  campanile archive tail -f
  campanile archive stats
  campanile archive export --format csv --since 2026-01-01 -o january.csv
  campanile archive export | gzip > all.ndjson.gz
  zcat all.ndjson.gz | campanile archive import -
  campanile archive prune --before 90d --dry-run

All commands work while the daemon runs.";

/// The reason a command failed.
#[derive(Debug)]
enum Failure {
    /// Invalid arguments.
    Usage(String),
    Store(StoreError),
    Io(io::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Query(why) => Self::Usage(why),
            error => Self::Store(error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Runs the command.
pub(crate) fn run(options: &Archive, format: LogFormat) -> Exit {
    let config = match Source::read(options.file.config.as_deref())
        .and_then(|source| Config::parse_without_secrets(&source))
    {
        Ok(config) => config,
        Err(failure) => return diagnostics::failure(&failure, format),
    };
    let done = address(&config, options.component.as_ref())
        .and_then(|address| work(&options.command, &address));
    match done {
        Ok(()) => Exit::Done,
        // A closed pipe is not a failure: readers such as `head` stop early.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(Failure::Usage(why)) => failed(&why, format, Exit::Usage),
        Err(Failure::Store(error)) => failed(&error.to_string(), format, Exit::Machine),
        Err(Failure::Io(error)) => failed(&error.to_string(), format, Exit::Machine),
    }
}

fn failed(why: &str, format: LogFormat, exit: Exit) -> Exit {
    diagnostics::line(why, format);
    exit
}

/// Returns the store of the selected logger.
fn address(config: &Config, wanted: Option<&BareJid>) -> Result<StoreAddress, Failure> {
    let loggers = config
        .components
        .iter()
        .filter(|it| wanted.is_none_or(|wanted| *wanted == it.jid));
    let mut stores: Vec<_> = loggers
        .filter_map(|it| Some((&it.jid, &it.logger.as_ref()?.store)))
        .collect();
    let jids = stores
        .iter()
        .map(|(jid, _)| jid.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    stores.dedup_by_key(|(_, store)| *store);
    match stores.as_slice() {
        [(_, store)] => Ok((*store).clone()),
        [] => Err(Failure::Usage(format!(
            "no matching component with [component.logger] in {}",
            config.name
        ))),
        _ => Err(Failure::Usage(format!(
            "several loggers: choose one with --component: {jids}"
        ))),
    }
}

fn work(command: &Command, address: &StoreAddress) -> Result<(), Failure> {
    let reader = || address.open(false);
    let writer = || address.open(true);
    match command {
        Command::Search {
            words,
            filter,
            limit,
            format,
        } => read::search(&mut *reader()?, &words.join(" "), filter, *limit, *format),
        Command::Tail {
            filter,
            limit,
            follow,
            format,
        } => read::tail(&mut *reader()?, filter, *limit, *follow, *format),
        Command::Stats => read::stats(&mut *reader()?),
        Command::Export {
            filter,
            format,
            output,
        } => read::export(&mut *reader()?, filter, *format, output.as_deref()),
        Command::Import { input } => write::import(&mut *writer()?, input),
        Command::Prune {
            before,
            above,
            dry_run,
            yes,
        } => {
            let rule = prune::rule(before.as_deref(), above.as_deref())?;
            let consent = prune::Consent::of(*dry_run, *yes);
            prune::prune(&mut *writer()?, &rule, consent)
        }
    }
}

/// Formats a number of entries.
fn counted(entries: u64) -> String {
    match entries {
        1 => "1 entry".to_owned(),
        many => format!("{many} entries"),
    }
}

/// Adds the path to an error of a file operation.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
