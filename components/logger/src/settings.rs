//! Settings of a logger.

use std::time::Duration;

use campanile::jid::BareJid;
use campanile::layer::AccessLayer;

use crate::store::Quota;

/// The settings of one logger.
///
/// The defaults suit a small server: messages of all users with access are stored, without limits
/// and without expiry.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The users who may write to the archive, and search and erase their own entries. Default: all
    /// users.
    pub users: AccessLayer,
    /// Users who see all entries.
    pub admins: Vec<BareJid>,
    /// Payload namespaces that are advertised in service discovery, stored by IQ set and returned
    /// by IQ get.
    pub formats: Vec<String>,
    /// Obeys the hints `no-store` and `no-permanent-store` (XEP-0334). Default: `true`.
    pub honor_hints: bool,
    /// Stores presence. Default: `false`.
    pub presence: bool,
    /// Stores IQ sets with any payload, rather than only those of `formats`. Default: `false`.
    pub iq: bool,
    /// The age at which entries are removed; `None` for never.
    pub retention: Option<Duration>,
    /// The maximum size of all stored stanzas in bytes; above it, the largest sender loses the
    /// oldest entries. `None` for no limit.
    pub max_bytes: Option<u64>,
    /// Storage quotas per sender and per domain.
    pub quota: Quota,
    /// The prefix of chat commands. Default: `!`.
    pub command_prefix: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            users: AccessLayer::new(),
            admins: Vec::new(),
            formats: Vec::new(),
            honor_hints: true,
            presence: false,
            iq: false,
            retention: None,
            max_bytes: None,
            quota: Quota::default(),
            command_prefix: "!".to_owned(),
        }
    }
}
