//! Settings of a logger.

use std::time::Duration;

use campanile::jid::BareJid;
use campanile::layer::AccessLayer;
use campanile::settings;
use campanile_storage::StoreAddress;
use serde::Deserialize;

use crate::quota::{MAX_SIZE, MIN_SIZE};
use crate::store::Quota;

/// Range of [`Settings::retention`] in milliseconds: 1 min to 100 years.
const MIN_AGE: u64 = 60_000;
const MAX_AGE: u64 = 36_500 * 86_400_000;

/// The settings of one logger.
///
/// The defaults suit a small server: messages of all users with access are stored, without limits
/// and without expiry. The keys in a configuration file have the names of the fields, unless noted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The address of the archive, such as `sqlite:logger.db`.
    ///
    /// For the program that opens the [`Store`](crate::store::Store) of the logger;
    /// [`Logger::new`](crate::Logger::new) ignores it.
    pub store: Option<StoreAddress>,
    /// The users who may write to the archive, and search and erase their own entries. Default: all
    /// users. Not a key of configuration files: there, all users that the component admits.
    #[serde(skip)]
    pub users: AccessLayer,
    /// Users who see all entries.
    #[serde(deserialize_with = "settings::jids")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::jids"))]
    pub admins: Vec<BareJid>,
    /// Payload namespaces that are advertised in service discovery, stored by IQ set and returned
    /// by IQ get.
    #[serde(deserialize_with = "settings::distinct")]
    pub formats: Vec<String>,
    /// Obeys the hints `no-store` and `no-permanent-store` (XEP-0334). Default: `true`.
    pub honor_hints: bool,
    /// Offers users the commands that stop and resume logging them. Default: `true`. With `false`,
    /// an earlier choice has no effect either: for archives that must be complete.
    pub allow_opt_out: bool,
    /// Offers users the command that erases their entries. Default: `true`.
    pub allow_erasure: bool,
    /// Stores messages without content, such as typing notifications, receipts and read markers.
    /// Default: `false`.
    pub signals: bool,
    /// Stores presence. Default: `false`.
    pub presence: bool,
    /// Stores IQ sets with any payload, rather than only those of `formats`. Default: `false`.
    pub iq: bool,
    /// The age at which entries are removed; `None` for never.
    #[serde(deserialize_with = "settings::duration::<_, _, MIN_AGE, MAX_AGE>")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "settings::schema::duration")
    )]
    pub retention: Option<Duration>,
    /// The maximum size of all stored stanzas in bytes; above it, the largest sender loses the
    /// oldest entries. `None` for no limit. The key in a configuration file is `max_size`.
    #[serde(
        rename = "max_size",
        deserialize_with = "settings::size::<_, _, MIN_SIZE, MAX_SIZE>"
    )]
    #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::size"))]
    pub max_bytes: Option<u64>,
    /// Storage quotas per sender and per domain.
    pub quota: Quota,
    /// The prefix of chat commands. Default: `!`. Not a key of configuration files.
    #[serde(skip)]
    pub command_prefix: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            store: None,
            users: AccessLayer::new(),
            admins: Vec::new(),
            formats: Vec::new(),
            honor_hints: true,
            allow_opt_out: true,
            allow_erasure: true,
            signals: false,
            presence: false,
            iq: false,
            retention: None,
            max_bytes: None,
            quota: Quota::default(),
            command_prefix: "!".to_owned(),
        }
    }
}
