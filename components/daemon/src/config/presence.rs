//! `[component.presence]`: who may see whether a component and its bots are there.

use std::path::PathBuf;

use campanile::jid::BareJid;
use campanile::presence::SubscriptionLimits;
use campanile::router::RecipientPattern;

use super::bridge;
#[cfg(feature = "postgres")]
use super::database::{self, PostgresAddress};
use super::fault::Faults;
use super::table::{Table, Value};

const MOST: usize = 100_000_000;

/// Presence of one component, free of faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) store: PresenceStore,
    pub(crate) bots: Vec<String>,
    pub(crate) accept: bool,
    pub(crate) mutual: bool,
    pub(crate) status: Option<String>,
    pub(crate) bounds: SubscriptionLimits,
}

/// Where subscriptions are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PresenceStore {
    Memory,
    Sqlite(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(PostgresAddress),
}

pub(super) fn read(mut table: Table<'_>, faults: &mut Faults<'_>) -> Option<Presence> {
    let remedy = "write store = \"sqlite:presence.db\", or \"memory\" to forget all contacts with \
        the process";
    let store = match table.take("store") {
        Some(value) => store(&value, remedy, faults),
        None => {
            faults.push(&table.span, "[component.presence] has no store", remedy);
            None
        }
    };
    let bots = table
        .take("bots")
        .and_then(|value| bots(&value, faults))
        .unwrap_or_default();
    let mut flag = |key, usual, faults: &mut Faults<'_>| {
        table
            .take(key)
            .and_then(|value: Value<'_>| value.flag(faults))
            .unwrap_or(usual)
    };
    let accept = flag("accept", true, faults);
    let mutual = flag("mutual", false, faults);
    let status = table
        .take("status")
        .and_then(|value| value.text(faults))
        .map(str::to_owned);
    let mut bounds = SubscriptionLimits::default();
    if let Some(mut table) = table.table("bounds", "[component.presence.bounds]", faults) {
        let mut count = |key, bound: &mut usize| {
            *bound = table
                .take(key)
                .and_then(|value| value.count(1..=MOST, faults))
                .unwrap_or(*bound);
        };
        count("per_peer", &mut bounds.per_peer);
        count("per_domain", &mut bounds.per_domain);
        count("all", &mut bounds.all);
        table.finish(faults);
    }
    table.finish(faults);
    Some(Presence {
        store: store?,
        bots,
        accept,
        mutual,
        status,
        bounds,
    })
}

impl Presence {
    /// That of bots for whom the configuration says nothing of it: beside their outbox, where they
    /// have one.
    pub(super) fn of_bots(domain: &BareJid, has_outbox: bool, faults: &Faults<'_>) -> Self {
        let store = if has_outbox {
            PresenceStore::Sqlite(bridge::beside(&format!("{domain}.presence.db"), faults))
        } else {
            PresenceStore::Memory
        };
        let bots = Vec::new();
        let status = None;
        let bounds = SubscriptionLimits::default();
        Self {
            store,
            bots,
            accept: true,
            mutual: false,
            status,
            bounds,
        }
    }
}

fn store(value: &Value<'_>, remedy: &str, faults: &mut Faults<'_>) -> Option<PresenceStore> {
    match value.text(faults)?.split_once(':') {
        None if value.text(faults) == Some("memory") => Some(PresenceStore::Memory),
        Some(("sqlite", path)) if !path.is_empty() => {
            Some(PresenceStore::Sqlite(faults.path(path)))
        }
        #[cfg(feature = "postgres")]
        Some(("postgres" | "postgresql", _)) => {
            database::read(value, "who sees whom", faults).map(PresenceStore::Postgres)
        }
        #[cfg(not(feature = "postgres"))]
        Some(("postgres" | "postgresql", _)) => {
            let remedy = "build it with `--features postgres`, or write \"sqlite:presence.db\"";
            faults.push(
                &value.span,
                "this program was built without PostgreSQL",
                remedy,
            );
            None
        }
        _ => {
            faults.push(&value.span, "`store` names no kind of store", remedy);
            None
        }
    }
}

fn bots(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Vec<String>> {
    let items = value.list("localparts", faults)?;
    Some(items.iter().filter_map(|item| bot(item, faults)).collect())
}

fn bot(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<String> {
    let text = value.text(faults)?;
    if let Err(error) = RecipientPattern::localpart(text) {
        faults.push(
            &value.span,
            error.to_string(),
            "write what stands before the @, as in \"weather\"",
        );
        return None;
    }
    Some(text.to_owned())
}
