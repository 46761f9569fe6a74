//! The people and bots in a room.

use jid::Jid;

use crate::payload::{Affiliation, MucItem, Role};
use crate::stanza::Stanza;

/// One occupant of a room, as the room describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Occupant {
    /// The nick, which is unique in the room and may change.
    pub nick: String,
    /// The permissions of the occupant during this visit.
    pub role: Role,
    /// Its lasting relation to the room.
    pub affiliation: Affiliation,
    /// The real JID, if the room shows it to this component.
    pub jid: Option<Jid>,
    /// The id that stays the same when the nick changes (XEP-0421), if the service has them.
    pub id: Option<String>,
}

impl Occupant {
    /// Reads the description in an occupant's presence.
    pub(super) fn new(nick: &str, item: &MucItem, id: Option<String>) -> Self {
        Self {
            nick: nick.to_owned(),
            // XEP-0045 §7.2.2: services always send both.
            role: item.role.unwrap_or(Role::None),
            affiliation: item.affiliation.unwrap_or(Affiliation::None),
            jid: item.jid.clone(),
            id,
        }
    }

    /// Returns `true` if the occupant may kick others.
    #[must_use]
    pub fn is_moderator(&self) -> bool {
        self.role == Role::Moderator
    }
}

/// Returns the nick of the occupant that has sent a stanza, or `None` for the room itself.
///
/// As text, because a service may let nicks through that a [`Jid`] cannot hold.
pub(super) fn nick_of(stanza: &Stanza) -> Option<&str> {
    let (_, nick) = stanza.from_text()?.split_once('/')?;
    Some(nick)
}
