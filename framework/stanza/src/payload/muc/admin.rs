//! Requests of moderators and owners of a room (XEP-0045 §8 to §10).

use jid::Jid;
use xmpp_parsers::data_forms::DataForm;
use xso::{AsXml, FromXml};

use super::item::{Affiliation, Role};
use super::lenient::Lenient;

/// A change of roles or affiliations, or a list of those who have one.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(
    namespace = "http://jabber.org/protocol/muc#admin",
    name = "query",
    on_unknown_attribute = Discard,
    on_unknown_child = Discard
)]
pub struct MucAdmin {
    /// The users or occupants.
    #[xml(child(n = ..))]
    pub items: Vec<MucAdminItem>,
}

/// A user by JID or an occupant by nick, with the role or affiliation that it has or gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(
    namespace = "http://jabber.org/protocol/muc#admin",
    name = "item",
    on_unknown_attribute = Discard,
    on_unknown_child = Discard
)]
pub struct MucAdminItem {
    /// The affiliation.
    #[xml(attribute(default))]
    pub affiliation: Option<Affiliation>,
    /// The role.
    #[xml(attribute(default))]
    pub role: Option<Role>,
    /// The real JID.
    #[xml(attribute(default, codec = Lenient))]
    pub jid: Option<Jid>,
    /// The nick.
    #[xml(attribute(default))]
    pub nick: Option<String>,
    /// The reason.
    #[xml(extract(default, name = "reason", fields(text(type_ = String))))]
    pub reason: Option<String>,
}

/// The configuration of a room, or its end.
#[derive(Debug, Clone, Default, PartialEq, FromXml, AsXml)]
#[xml(
    namespace = "http://jabber.org/protocol/muc#owner",
    name = "query",
    on_unknown_attribute = Discard,
    on_unknown_child = Discard
)]
pub struct MucOwner {
    /// The form.
    #[xml(child(default))]
    pub form: Option<DataForm>,
    /// The request to destroy the room.
    #[xml(child(default))]
    pub destroy: Option<MucOwnerDestroy>,
}

/// The request to destroy a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(
    namespace = "http://jabber.org/protocol/muc#owner",
    name = "destroy",
    on_unknown_attribute = Discard,
    on_unknown_child = Discard
)]
pub struct MucOwnerDestroy {
    /// The room in its place.
    #[xml(attribute(default, codec = Lenient))]
    pub jid: Option<Jid>,
    /// The reason.
    #[xml(extract(default, name = "reason", fields(text(type_ = String))))]
    pub reason: Option<String>,
}
