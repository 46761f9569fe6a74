//! `campanile archive`: the archive from the command line, beside a daemon that runs.
//!
//! Each command has a connection of its own. SQLite lets one process write at a time: what writes
//! here does so in small steps, between which the daemon has its turn.

mod filter;
mod progress;
mod read;
mod write;

use std::io;
use std::path::PathBuf;

use campanile::jid::BareJid;
use campanile_logger::store::StoreError;
use clap::{Args, Subcommand, ValueEnum};

use self::filter::Filter;
pub(crate) use self::filter::moment;
use crate::cli::{ConfigFile, LogFormat};
use crate::config::{Config, Source, StoreAddress};
use crate::exit::Exit;
use crate::{diagnostics, store};

#[derive(Debug, Args)]
pub(crate) struct Archive {
    #[command(flatten)]
    file: ConfigFile,

    /// The logger's JID, where the configuration has several
    #[arg(long, value_name = "JID", global = true)]
    component: Option<BareJid>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the newest entries that fit
    Search {
        /// Words, all of which must be there; bell* is a beginning
        words: Vec<String>,
        #[command(flatten)]
        filter: Filter,
        /// Entries at the most
        #[arg(short = 'n', long, default_value_t = 20, value_name = "NUMBER")]
        limit: usize,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show the last entries, and with -f those that come
    Tail {
        #[command(flatten)]
        filter: Filter,
        #[arg(short = 'n', long, default_value_t = 10, value_name = "NUMBER")]
        limit: usize,
        /// Go on showing what comes, until interrupted
        #[arg(short, long)]
        follow: bool,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Say how much is kept, and of whom most
    Stats,
    /// Write all entries that fit
    Export {
        #[command(flatten)]
        filter: Filter,
        #[arg(long, value_enum, default_value = "ndjson")]
        format: Format,
        /// The file to write; stdout without it
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Read what was exported as ndjson; what is there already is left alone
    Import {
        /// The file to read; - is stdin
        input: PathBuf,
    },
    /// Remove the oldest entries, for good
    #[command(group = clap::ArgGroup::new("rule").required(true))]
    Prune {
        /// From before this time: 2026-01-31T12:00:00Z, 2026-01-31, or so long ago: 90d
        #[arg(long, value_name = "TIME", group = "rule")]
        before: Option<String>,
        /// While all stanzas have more bytes than this; whoever has most loses the oldest
        #[arg(long, value_name = "SIZE", group = "rule")]
        above: Option<String>,
    },
}

/// How entries are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines to read
    #[default]
    Text,
    /// One JSON object per line
    Ndjson,
    /// For spreadsheets
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
  campanile archive prune --before 90d

All of them work while the daemon runs.";

/// Why a command did not do its work.
#[derive(Debug)]
enum Failure {
    /// What was asked makes no sense.
    Usage(String),
    Store(StoreError),
    Io(io::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Does what the command line asks.
pub(crate) fn run(options: &Archive, format: LogFormat) -> Exit {
    let config = match Source::read(options.file.config.as_deref())
        .and_then(|source| Config::parse(&source))
    {
        Ok(config) => config,
        Err(failure) => return diagnostics::failure(&failure, format),
    };
    let done = address(&config, options.component.as_ref())
        .and_then(|address| work(&options.command, &address));
    match done {
        Ok(()) => Exit::Done,
        // A reader that has gone, as `head` does, is none of our faults.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(Failure::Usage(why)) => said(&why, format, Exit::Usage),
        Err(Failure::Store(error)) => said(&error.to_string(), format, Exit::Machine),
        Err(Failure::Io(error)) => said(&error.to_string(), format, Exit::Machine),
    }
}

fn said(why: &str, format: LogFormat, exit: Exit) -> Exit {
    diagnostics::line(why, format);
    exit
}

/// The one store that is meant.
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
            "{} has no such component with [component.logger]",
            config.name
        ))),
        _ => Err(Failure::Usage(format!(
            "there are several loggers: say --component with one of {jids}"
        ))),
    }
}

fn work(command: &Command, address: &StoreAddress) -> Result<(), Failure> {
    let read = || store::connect(address, false);
    let write = || store::connect(address, true);
    match command {
        Command::Search {
            words,
            filter,
            limit,
            format,
        } => read::search(&mut *read()?, &words.join(" "), filter, *limit, *format),
        Command::Tail {
            filter,
            limit,
            follow,
            format,
        } => read::tail(&mut *read()?, filter, *limit, *follow, *format),
        Command::Stats => read::stats(&mut *read()?),
        Command::Export {
            filter,
            format,
            output,
        } => read::export(&mut *read()?, filter, *format, output.as_deref()),
        Command::Import { input } => write::import(&mut *write()?, input),
        Command::Prune { before, above } => {
            write::prune(&mut *write()?, before.as_deref(), above.as_deref())
        }
    }
}
