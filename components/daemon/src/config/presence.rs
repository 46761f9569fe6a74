//! `[component.presence]`: presence of a component and its bots.

use std::path::PathBuf;

use campanile::jid::BareJid;
use campanile::presence::SubscriptionLimits;
use campanile::router::RecipientPattern;
use campanile::settings::{invalid, required, text};
use campanile_storage::StoreAddress;
use serde::{Deserialize, Deserializer};

use super::draft::At;
use super::fault::Faults;
use super::state_file::state_file;

/// Presence of a component and its bots.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PresenceTable {
    /// The store of subscriptions: `memory`, `sqlite:PATH` or `postgres://…`.
    store: PresenceStore,
    /// Localparts of further addresses that have presence.
    #[serde(default)]
    bots: Vec<Bot>,
    /// Accepts subscription requests. Default: true.
    #[serde(default = "yes")]
    accept: bool,
    /// Subscribes to the presence of those who subscribe. Default: false.
    #[serde(default)]
    mutual: bool,
    /// The status text.
    status: Option<String>,
    /// Limits on the number of subscriptions.
    #[serde(default)]
    bounds: SubscriptionLimits,
}

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
    Address(StoreAddress),
}

impl PresenceTable {
    /// Resolves the path of the store.
    pub(super) fn resolve(self, at: At<'_>, faults: &mut Faults<'_>) -> Presence {
        let store = match self.store {
            PresenceStore::Memory => PresenceStore::Memory,
            PresenceStore::Address(address) => {
                if address.is_exposed() {
                    faults.warn_exposed(&at.span(&["presence", "store"]), "presence data");
                }
                PresenceStore::Address(address.within(&faults.path("")))
            }
        };
        Presence {
            store,
            bots: self.bots.into_iter().map(|bot| bot.0).collect(),
            accept: self.accept,
            mutual: self.mutual,
            status: self.status,
            bounds: self.bounds,
        }
    }
}

impl Presence {
    /// Returns the default settings for bots, with the store next to their outbox if they have one.
    pub(super) fn of_bots(domain: &BareJid, has_outbox: bool, faults: &Faults<'_>) -> Self {
        let file = || -> PathBuf { state_file(&format!("{domain}.presence.db"), faults) };
        let store = if has_outbox {
            PresenceStore::Address(StoreAddress::Sqlite(file()))
        } else {
            PresenceStore::Memory
        };
        Self::on(store)
    }

    /// Returns the default settings for an archive, with the store next to its file or in its
    /// database.
    pub(super) fn of_archive(domain: &BareJid, archive: &StoreAddress) -> Self {
        let store = match archive {
            StoreAddress::Sqlite(path) => {
                StoreAddress::Sqlite(path.with_file_name(format!("{domain}.presence.db")))
            }
            database => database.clone(),
        };
        Self::on(PresenceStore::Address(store))
    }

    fn on(store: PresenceStore) -> Self {
        Self {
            store,
            bots: Vec::new(),
            accept: true,
            mutual: false,
            status: None,
            bounds: SubscriptionLimits::default(),
        }
    }
}

fn yes() -> bool {
    true
}

impl<'de> Deserialize<'de> for PresenceStore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let remedy =
            "write store = \"sqlite:presence.db\", or \"memory\" to lose all contacts on exit";
        required(deserializer, "store", remedy, |text| match text {
            "memory" => Ok(Self::Memory),
            address => StoreAddress::parse(address, remedy).map(Self::Address),
        })
    }
}

impl schemars::JsonSchema for PresenceStore {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PresenceStore".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(memory$|sqlite:.|postgres(ql)?://.)"
        })
    }
}

/// A valid localpart.
#[derive(Debug, schemars::JsonSchema)]
#[schemars(inline)]
struct Bot(String);

impl<'de> Deserialize<'de> for Bot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(
            deserializer,
            "a string in quotation marks",
            |text| match RecipientPattern::localpart(text) {
                Ok(_) => Ok(Self(text.to_owned())),
                Err(error) => Err(invalid(
                    error,
                    "write the part before the @, such as \"weather\"",
                )),
            },
        )
    }
}
