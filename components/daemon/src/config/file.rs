//! The tables of the file.

use campanile::jid::BareJid;
use campanile::limits::Limits;
use campanile::settings;
use campanile_json_bridge::Secret;
use serde::Deserialize;

use super::access::Rates;
use super::admin::AdminTable;
use super::domain::Domain;
use super::presence::PresenceTable;
use super::server::{ServerTable, TlsSetting};
use super::tap::TapTable;
use super::vcard::VCardsTable;

/// The configuration of Campanile: a server, the components connected to it, and the admin port.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[schemars(title = "campanile.toml")]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    /// The server of all components that do not name another.
    pub(super) server: ServerTable,
    /// One connection for each JID.
    pub(super) component: Vec<ComponentTable>,
    /// Health, metrics and the status page.
    pub(super) admin: Option<AdminTable>,
}

/// One connection, and the modules mounted on it.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ComponentTable {
    /// The domain of the component, as configured on the server.
    pub(super) jid: Option<Domain>,
    /// The secret configured on the server.
    pub(super) secret: Option<Secret>,
    /// The component port of the server: `host:port`, `[v6]:port` or `unix:/path`.
    #[serde(deserialize_with = "super::server::address")]
    #[schemars(schema_with = "settings::schema::text")]
    pub(super) address: Option<campanile::connection::ServerAddress>,
    /// TLS to the server, or `false` for none.
    pub(super) tls: Option<TlsSetting>,
    /// JIDs and domains that may send to the component. Without it, everyone may.
    #[serde(deserialize_with = "settings::allow")]
    // An empty list is a fault, so that editors must not offer it as the default.
    #[schemars(
        schema_with = "settings::schema::jids",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(super) allow: Vec<BareJid>,
    /// JIDs and domains that may not send to the component.
    #[serde(deserialize_with = "settings::jids")]
    #[schemars(schema_with = "settings::schema::jids")]
    pub(super) deny: Vec<BareJid>,
    /// Rate limits.
    pub(super) rate: Rates,
    /// Service discovery.
    pub(super) disco: campanile_disco::Settings,
    /// An archive of messages.
    pub(super) logger: Option<campanile_logger::Settings>,
    /// Memory, concurrency and timeouts.
    pub(super) limits: Limits,
    /// Records the traffic of this component in the archive of another.
    pub(super) tap: Option<TapTable>,
    /// Bots, with their webhooks and the HTTP API.
    pub(super) json_bridge: Option<campanile_json_bridge::Settings>,
    /// Presence of the component and its bots.
    pub(super) presence: Option<PresenceTable>,
    /// vCards of the component and its bots.
    pub(super) vcard: Option<VCardsTable>,
}
