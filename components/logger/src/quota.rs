//! Limits on what one sender or one domain may store.

use campanile::settings;
use serde::Deserialize;

/// Range of sizes in bytes that a configuration file may set: 1 KiB to 1 PiB.
pub(crate) const MIN_SIZE: u64 = 1 << 10;
pub(crate) const MAX_SIZE: u64 = 1 << 50;

/// Storage quotas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Maximum bytes per sender (bare JID); `None` for no limit.
    #[serde(deserialize_with = "settings::size::<_, _, MIN_SIZE, MAX_SIZE>")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::size"))]
    pub per_sender: Option<u64>,
    /// Maximum bytes of all senders of one domain together; `None` for no limit.
    #[serde(deserialize_with = "settings::size::<_, _, MIN_SIZE, MAX_SIZE>")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::size"))]
    pub per_domain: Option<u64>,
}
