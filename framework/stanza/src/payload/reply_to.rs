//! Message replies (XEP-0461).

use jid::Jid;
use xso::{AsXml, FromXml};

/// A reference to the message that a message replies to.
#[derive(Debug, Clone, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = "urn:xmpp:reply:0", name = "reply")]
pub struct InReplyTo {
    /// The sender of that message.
    #[xml(attribute(default))]
    pub to: Option<Jid>,
    /// The id of that message: in a room the stanza id that the room assigned (XEP-0359),
    /// otherwise the id set by its sender.
    #[xml(attribute)]
    pub id: String,
}
