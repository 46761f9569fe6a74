//! `[component.presence]`: presence of a component and its bots.

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

/// Validated presence settings of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) store: PresenceStore,
    pub(crate) bots: Vec<String>,
    pub(crate) accept: bool,
    pub(crate) mutual: bool,
    pub(crate) status: Option<String>,
    pub(crate) bounds: SubscriptionLimits,
}

/// Location of the subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PresenceStore {
    Memory,
    Sqlite(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(PostgresAddress),
}

pub(super) fn read(mut table: Table<'_>, faults: &mut Faults<'_>) -> Option<Presence> {
    let remedy = "write store = \"sqlite:presence.db\", or \"memory\" to lose all contacts on exit";
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
    /// Returns the default settings for bots, with the store next to their outbox if they have one.
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
            database::read(value, "presence data", faults).map(PresenceStore::Postgres)
        }
        #[cfg(not(feature = "postgres"))]
        Some(("postgres" | "postgresql", _)) => {
            let remedy = "rebuild it with `--features postgres`, or write \"sqlite:presence.db\"";
            faults.push(
                &value.span,
                "this program was built without PostgreSQL",
                remedy,
            );
            None
        }
        _ => {
            faults.push(&value.span, "`store` is not a known kind of store", remedy);
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
            "write the part before the @, such as \"weather\"",
        );
        return None;
    }
    Some(text.to_owned())
}
