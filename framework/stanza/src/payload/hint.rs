//! Message processing hints (XEP-0334).

use xso::{AsXml, FromXml};

/// What servers should do with a message besides delivering it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = "urn:xmpp:hints", exhaustive)]
pub enum Hint {
    /// Keep it out of archives, but hold it for who is offline.
    #[xml(name = "no-permanent-store")]
    NoPermanentStore,
    /// Store it nowhere.
    #[xml(name = "no-store")]
    NoStore,
    /// Send no copies to other resources.
    #[xml(name = "no-copy")]
    NoCopy,
    /// Store it although it does not look like it.
    #[xml(name = "store")]
    Store,
}
