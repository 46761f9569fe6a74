//! An occupant, as a room describes it: role, affiliation, and who changed them.

use jid::Jid;
use xso::{AsXml, FromXml};

use super::lenient::Lenient;
use crate::payload::text_enum::text_enum;

text_enum! {
    /// The permissions of an occupant during a visit to a room (XEP-0045 §5.1).
    Role {
        /// May kick others, and give and take away voice.
        Moderator = "moderator",
        /// May speak.
        Participant = "participant",
        /// May only listen, in a moderated room.
        Visitor = "visitor",
        /// Is not in the room.
        None = "none",
    }
}

text_enum! {
    /// The lasting relation of a user to a room (XEP-0045 §5.2).
    Affiliation {
        /// May change everything, and destroy the room.
        Owner = "owner",
        /// May ban users and admit members.
        Admin = "admin",
        /// May enter a members-only room.
        Member = "member",
        /// May not enter: is banned.
        Outcast = "outcast",
        /// Has no particular relation to the room.
        None = "none",
    }
}

/// The description of an occupant in presence, or a change of its role or affiliation.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(
    namespace = super::MUC_USER,
    name = "item",
    on_unknown_attribute = Discard,
    on_unknown_child = Discard
)]
pub struct MucItem {
    /// The affiliation.
    #[xml(attribute(default))]
    pub affiliation: Option<Affiliation>,
    /// The role.
    #[xml(attribute(default))]
    pub role: Option<Role>,
    /// The real JID, if the room shows it to the recipient.
    #[xml(attribute(default, codec = Lenient))]
    pub jid: Option<Jid>,
    /// The new nick, in the presence of an occupant that changes it.
    #[xml(attribute(default))]
    pub nick: Option<String>,
    /// The one who changed role or affiliation.
    #[xml(child(default))]
    pub actor: Option<MucActor>,
    /// The reason for the change.
    #[xml(extract(default, name = "reason", fields(text(type_ = String))))]
    pub reason: Option<String>,
}

/// The one who kicked or banned an occupant.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(
    namespace = super::MUC_USER,
    name = "actor",
    on_unknown_attribute = Discard,
    on_unknown_child = Discard
)]
pub struct MucActor {
    /// Its real JID, if the room shows it.
    #[xml(attribute(default, codec = Lenient))]
    pub jid: Option<Jid>,
    /// Its nick.
    #[xml(attribute(default))]
    pub nick: Option<String>,
}
