//! Message replies (XEP-0461).

use jid::Jid;
use xso::{AsXml, FromXml};

/// Says which message a message is the reply to.
#[derive(Debug, Clone, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = "urn:xmpp:reply:0", name = "reply")]
pub struct InReplyTo {
    /// Who sent that message.
    #[xml(attribute(default))]
    pub to: Option<Jid>,
    /// Its id: in rooms the one that the room gave it (XEP-0359), else the one that its sender gave
    /// it.
    #[xml(attribute)]
    pub id: String,
}
