//! Message processing hints (XEP-0334).

use xso::{AsXml, FromXml};

/// A hint to servers on how to process a message.
///
/// A message may carry several, each as a child of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = "urn:xmpp:hints", exhaustive)]
pub enum Hint {
    /// Do not archive the message; storing it until an offline recipient returns is allowed.
    #[xml(name = "no-permanent-store")]
    NoPermanentStore,
    /// Do not store the message at all.
    #[xml(name = "no-store")]
    NoStore,
    /// Do not send copies to other resources.
    #[xml(name = "no-copy")]
    NoCopy,
    /// Store the message even if it would not be stored by default, such as one without a body.
    #[xml(name = "store")]
    Store,
}
