//! Direct invitations (XEP-0249).

use jid::Jid;
use xso::{AsXml, FromXml};

/// An invitation that is sent to its recipient directly, without the help of the room.
#[derive(Debug, Clone, PartialEq, Eq, FromXml, AsXml)]
#[xml(
    namespace = "jabber:x:conference",
    name = "x",
    on_unknown_attribute = Discard,
    on_unknown_child = Discard
)]
pub struct RoomInvitation {
    /// The room.
    #[xml(attribute)]
    pub jid: Jid,
    /// The password of the room.
    #[xml(attribute(default))]
    pub password: Option<String>,
    /// The reason.
    #[xml(attribute(default))]
    pub reason: Option<String>,
    /// The thread of a conversation that continues in the room.
    #[xml(attribute(default))]
    pub thread: Option<String>,
}

impl RoomInvitation {
    /// Creates an invitation to a room.
    #[must_use]
    pub fn new(room: impl Into<Jid>) -> Self {
        Self {
            jid: room.into(),
            password: None,
            reason: None,
            thread: None,
        }
    }
}
