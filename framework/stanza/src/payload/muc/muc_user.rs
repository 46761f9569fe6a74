//! Information of a room for its occupants: `<x xmlns='http://jabber.org/protocol/muc#user'/>`.

use jid::Jid;
use xso::{AsXml, FromXml};

use super::item::MucItem;
use super::lenient::Lenient;

/// Status codes (XEP-0045 §15.6), which say what a stanza of a room is about.
pub mod status {
    /// Every occupant may see the real JID of the recipient.
    pub const NON_ANONYMOUS: u16 = 100;
    /// The presence is that of the recipient itself.
    pub const SELF_PRESENCE: u16 = 110;
    /// The room was created by the recipient's presence.
    pub const CREATED: u16 = 201;
    /// The service chose or changed the nick of the recipient.
    pub const NICK_ASSIGNED: u16 = 210;
    /// The occupant was banned.
    pub const BANNED: u16 = 301;
    /// The occupant changes its nick.
    pub const NICK_CHANGED: u16 = 303;
    /// The occupant was kicked.
    pub const KICKED: u16 = 307;
    /// The occupant was removed because its affiliation changed.
    pub const AFFILIATION_CHANGED: u16 = 321;
    /// The occupant was removed because the room became members-only.
    pub const MEMBERS_ONLY: u16 = 322;
    /// The occupant was removed because the service shuts down.
    pub const SHUTDOWN: u16 = 332;
    /// The occupant was removed because of an error, such as an unreachable server.
    pub const ERROR: u16 = 333;
}

/// The statuses of a stanza from a room, and what it says about an occupant, an invitation or the
/// end of the room.
///
/// Unknown statuses and children are permitted, because services add their own.
///
/// ```
/// use campanile_stanza::payload::{MucUser, Role, status};
/// use campanile_stanza::stanza::Stanza;
///
/// let presence = Stanza::parse(
///     "<presence from='hall@rooms.example.org/bot'>\
///      <x xmlns='http://jabber.org/protocol/muc#user'>\
///      <item affiliation='none' role='participant'/><status code='110'/></x></presence>",
/// )?;
/// let user: MucUser = presence.child()?;
/// assert!(user.has(status::SELF_PRESENCE));
/// assert_eq!(user.item().role, Some(Role::Participant));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(
    namespace = super::MUC_USER,
    name = "x",
    on_unknown_attribute = Discard,
    on_unknown_child = Discard
)]
pub struct MucUser {
    /// The descriptions of occupants; one in presence.
    #[xml(child(n = ..))]
    pub items: Vec<MucItem>,
    /// The [status codes](status).
    #[xml(extract(
        n = ..,
        name = "status",
        on_unknown_attribute = Discard,
        fields(attribute(name = "code", type_ = u16))
    ))]
    pub statuses: Vec<u16>,
    /// The end of the room.
    #[xml(child(default))]
    pub destroy: Option<MucDestroy>,
    /// Invitations: to the recipient, or in a request to the room to pass them on.
    #[xml(child(n = ..))]
    pub invitations: Vec<MediatedInvitation>,
    /// An invitation that was declined.
    #[xml(child(default))]
    pub decline: Option<MediatedDecline>,
    /// The password of the room, with an invitation.
    #[xml(extract(default, name = "password", fields(text(type_ = String))))]
    pub password: Option<String>,
}

impl MucUser {
    /// Returns `true` if the stanza has this [status code](status).
    #[must_use]
    pub fn has(&self, status: u16) -> bool {
        self.statuses.contains(&status)
    }

    /// Returns the description of the occupant, empty if there is none.
    #[must_use]
    pub fn item(&self) -> MucItem {
        self.items.first().cloned().unwrap_or_default()
    }
}

/// The end of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(
    namespace = super::MUC_USER,
    name = "destroy",
    on_unknown_attribute = Discard,
    on_unknown_child = Discard
)]
pub struct MucDestroy {
    /// The room in its place.
    #[xml(attribute(default, codec = Lenient))]
    pub jid: Option<Jid>,
    /// The reason.
    #[xml(extract(default, name = "reason", fields(text(type_ = String))))]
    pub reason: Option<String>,
    /// The password of the room in its place.
    #[xml(extract(default, name = "password", fields(text(type_ = String))))]
    pub password: Option<String>,
}

/// An invitation that the room passes on (XEP-0045 §7.8.2).
#[derive(Debug, Clone, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(
    namespace = super::MUC_USER,
    name = "invite",
    on_unknown_attribute = Discard,
    on_unknown_child = Discard
)]
pub struct MediatedInvitation {
    /// The one who invites, in an invitation from the room.
    #[xml(attribute(default, codec = Lenient))]
    pub from: Option<Jid>,
    /// The one to be invited, in a request to the room.
    #[xml(attribute(default, codec = Lenient))]
    pub to: Option<Jid>,
    /// The reason.
    #[xml(extract(default, name = "reason", fields(text(type_ = String))))]
    pub reason: Option<String>,
}

/// The answer of a user who does not accept an invitation.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(
    namespace = super::MUC_USER,
    name = "decline",
    on_unknown_attribute = Discard,
    on_unknown_child = Discard
)]
pub struct MediatedDecline {
    /// The one who declines, in a message from the room.
    #[xml(attribute(default, codec = Lenient))]
    pub from: Option<Jid>,
    /// The one who has invited, in a message to the room.
    #[xml(attribute(default, codec = Lenient))]
    pub to: Option<Jid>,
    /// The reason.
    #[xml(extract(default, name = "reason", fields(text(type_ = String))))]
    pub reason: Option<String>,
}
