//! Rooms (XEP-0045) and what belongs to them: occupant ids (XEP-0421), direct invitations
//! (XEP-0249).

mod admin;
mod item;
mod lenient;
mod muc_user;
mod room_invitation;
#[cfg(test)]
mod tests;

pub use xmpp_parsers::muc::muc::{History as MucHistory, Muc};
pub use xmpp_parsers::occupant_id::OccupantId;

pub use self::admin::{MucAdmin, MucAdminItem, MucOwner, MucOwnerDestroy};
pub use self::item::{Affiliation, MucActor, MucItem, Role};
pub use self::muc_user::{MediatedDecline, MediatedInvitation, MucDestroy, MucUser, status};
pub use self::room_invitation::RoomInvitation;

/// Namespace of the request to enter a room.
pub const MUC: &str = "http://jabber.org/protocol/muc";
/// Namespace of what a room tells about its occupants.
pub const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
