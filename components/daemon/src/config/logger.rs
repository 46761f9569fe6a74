//! `[component.logger]`: store, permissions and retention of an archive.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use campanile::jid::BareJid;

use super::access;
#[cfg(feature = "postgres")]
use super::database::{self, PostgresAddress};
use super::fault::Faults;
use super::table::{Table, Value};

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);
const SMALLEST: usize = 1 << 10;
const GREATEST: usize = 1 << 50;

/// Validated settings of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logger {
    pub(crate) store: StoreAddress,
    pub(crate) admins: Vec<BareJid>,
    pub(crate) formats: Vec<String>,
    pub(crate) honor_hints: bool,
    pub(crate) presence: bool,
    pub(crate) iq: bool,
    pub(crate) retention: Option<Duration>,
    pub(crate) max_size: Option<usize>,
    pub(crate) quota_per_sender: Option<usize>,
    pub(crate) quota_per_domain: Option<usize>,
}

/// Location of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum StoreAddress {
    Sqlite(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(PostgresAddress),
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => f.write_str("postgres"),
        }
    }
}

pub(super) fn read(mut table: Table<'_>, faults: &mut Faults<'_>) -> Option<Logger> {
    let store = match table.take("store") {
        Some(value) => store(&value, faults),
        None => {
            let remedy = "write store = \"sqlite:logger.db\" to keep the archive in that file";
            faults.push(&table.span, "[component.logger] has no store", remedy);
            None
        }
    };
    let admins = table
        .take("admins")
        .and_then(|value| access::jids(&value, faults))
        .unwrap_or_default();
    let formats = table
        .take("formats")
        .and_then(|value| texts(&value, faults))
        .unwrap_or_default();
    let mut flag = |key, usual, faults: &mut Faults<'_>| {
        table
            .take(key)
            .and_then(|value: Value<'_>| value.flag(faults))
            .unwrap_or(usual)
    };
    let honor_hints = flag("honor_hints", true, faults);
    let presence = flag("presence", false, faults);
    let iq = flag("iq", false, faults);
    let retention = table
        .take("retention")
        .and_then(|value| value.duration(SHORTEST..=LONGEST, faults));
    let max_size = table
        .take("max_size")
        .and_then(|value| value.size(SMALLEST..=GREATEST, faults));
    let mut quotas = (None, None);
    if let Some(mut quota) = table.table("quota", "[component.logger.quota]", faults) {
        let mut size = |key| {
            quota
                .take(key)
                .and_then(|value| value.size(SMALLEST..=GREATEST, faults))
        };
        quotas = (size("per_sender"), size("per_domain"));
        quota.finish(faults);
    }
    table.finish(faults);
    let (quota_per_sender, quota_per_domain) = quotas;
    Some(Logger {
        store: store?,
        admins,
        formats,
        honor_hints,
        presence,
        iq,
        retention,
        max_size,
        quota_per_sender,
        quota_per_domain,
    })
}

/// Reads a store: its kind, and the path or address it needs.
pub(super) fn store(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<StoreAddress> {
    let text = value.text(faults)?;
    match text.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => Some(StoreAddress::Sqlite(faults.path(path))),
        #[cfg(feature = "postgres")]
        Some(("postgres" | "postgresql", _)) => {
            database::read(value, "archive data", faults).map(StoreAddress::Postgres)
        }
        #[cfg(not(feature = "postgres"))]
        Some(("postgres" | "postgresql", _)) => {
            let remedy = "rebuild it with `--features postgres`, or write \"sqlite:logger.db\"";
            faults.push(
                &value.span,
                "this program was built without PostgreSQL",
                remedy,
            );
            None
        }
        _ => {
            let remedy = "write \"sqlite:logger.db\" to keep the archive in that file";
            faults.push(&value.span, "`store` is not a known kind of store", remedy);
            None
        }
    }
}

fn texts(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Vec<String>> {
    let items = value.list("namespaces", faults)?;
    Some(
        items
            .iter()
            .filter_map(|item| item.text(faults))
            .map(str::to_owned)
            .collect(),
    )
}
