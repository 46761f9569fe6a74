//! Occupants of the rooms.

use campanile::payload::{Affiliation, Role};
use jid::Jid;

/// A user or component in a room.
#[derive(Debug, Clone)]
pub(super) struct Occupant {
    pub(super) nick: String,
    pub(super) jid: Jid,
    pub(super) role: Role,
    pub(super) affiliation: Affiliation,
}
