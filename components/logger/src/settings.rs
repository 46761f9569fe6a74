//! What an archive keeps, of whom, and for how long.

use std::time::Duration;

use campanile::jid::BareJid;
use campanile::layer::AccessLayer;

use crate::store::Quota;

/// How one logger works. The defaults suit a small server: messages of everybody who may write, for
/// ever.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may write to it, and see and erase what they wrote. Everybody, unless said otherwise.
    pub users: AccessLayer,
    /// Who sees everything.
    pub admins: Vec<BareJid>,
    /// Namespaces of payloads that are advertised and answered.
    pub formats: Vec<String>,
    /// Whether a message that asks not to be stored (XEP-0334) is not.
    pub honor_hints: bool,
    /// Whether presence is kept.
    pub presence: bool,
    /// Whether IQ sets of any payload are kept, not only those of the formats.
    pub iq: bool,
    /// How long entries are kept; `None` is for ever.
    pub retention: Option<Duration>,
    /// How many bytes of stanzas are kept; whoever has most loses the oldest. `None` is without
    /// bound.
    pub max_bytes: Option<u64>,
    /// How much one sender, and one domain, may keep.
    pub quota: Quota,
    /// What begins a command in a chat.
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
