//! The handle of a room that the component is in.

use std::fmt;
use std::sync::Arc;

use jid::{BareJid, Jid};
use tokio::time::{Duration, timeout};

use super::registry::Rooms;
use super::session::Session;
use super::{Occupant, RoomChanges, RoomState};
use crate::client::{Client, SendError};
use crate::payload::{Affiliation, Role};

/// The time that a room has to confirm that the component has left.
const LEAVE: Duration = Duration::from_secs(10);

/// A room that a component has [joined](Client::join), and stays in.
///
/// Cloning is cheap. Dropping it does not leave the room: use [`leave`](Self::leave), or get it
/// again with [`Client::room`].
#[derive(Clone)]
pub struct Room {
    pub(super) client: Client,
    pub(super) session: Arc<Session>,
}

impl Client {
    /// Returns a room that was joined with the component's own JID.
    #[must_use]
    pub fn room(&self, room: &BareJid) -> Option<Room> {
        self.room_as(room, self.domain())
    }

    /// Returns a room that was joined with this address.
    #[must_use]
    pub fn room_as(&self, room: &BareJid, own: &Jid) -> Option<Room> {
        let session = Rooms::of(self)?.find(room.as_str(), own)?;
        Some(Room::new(self.clone(), session))
    }

    /// Returns all rooms, in no particular order: one for each address of the component in each.
    #[must_use]
    pub fn rooms(&self) -> Vec<Room> {
        let sessions = Rooms::of(self).map(|rooms| rooms.all()).unwrap_or_default();
        let room = |session| Room::new(self.clone(), session);
        sessions.into_iter().map(room).collect()
    }
}

impl Room {
    pub(super) fn new(client: Client, session: Arc<Session>) -> Self {
        Self { client, session }
    }

    /// Returns the bare JID of the room.
    #[must_use]
    pub fn jid(&self) -> &BareJid {
        &self.session.room
    }

    /// Returns the address of the component in the room, which only moderators may see.
    #[must_use]
    pub fn own_address(&self) -> &Jid {
        &self.session.own
    }

    /// Returns the nick of the component.
    #[must_use]
    pub fn nick(&self) -> String {
        self.session.nick()
    }

    /// Returns the state of the visit.
    #[must_use]
    pub fn state(&self) -> RoomState {
        self.session.state()
    }

    /// Returns the subject, or `None` if the room has not sent it yet.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        self.session.subject_text()
    }

    /// Returns all occupants, the component included, in no particular order.
    ///
    /// Empty while the component is not inside.
    #[must_use]
    pub fn occupants(&self) -> Vec<Occupant> {
        self.session.occupants()
    }

    /// Returns the occupant with this nick.
    #[must_use]
    pub fn occupant(&self, nick: &str) -> Option<Occupant> {
        self.session.occupant(nick)
    }

    /// Returns the role of the component, [`Role::None`] while it is not inside.
    #[must_use]
    pub fn role(&self) -> Role {
        self.occupant(&self.nick())
            .map_or(Role::None, |own| own.role)
    }

    /// Returns the affiliation of the component, [`Affiliation::None`] while it is not inside.
    #[must_use]
    pub fn affiliation(&self) -> Affiliation {
        self.occupant(&self.nick())
            .map_or(Affiliation::None, |own| own.affiliation)
    }

    /// Returns the changes of the room from now on.
    #[must_use]
    pub fn changes(&self) -> RoomChanges {
        RoomChanges(self.session.changes())
    }

    /// Leaves the room. The component does not enter it again.
    ///
    /// # Errors
    /// If the presence cannot be sent. The room counts as left all the same.
    pub async fn leave(self) -> Result<(), SendError> {
        let mut state = self.session.watch();
        let is_inside = matches!(*state.borrow_and_update(), RoomState::Joined);
        self.session.begin_leaving();
        let sent = self.client.send(self.session.leaving()?).await;
        if is_inside && sent.is_ok() {
            let outside = state.wait_for(|state| !matches!(state, RoomState::Joined));
            // A room that does not confirm has forgotten the component, or its service is gone.
            drop(timeout(LEAVE, outside).await);
        }
        self.session.end(super::Removal::Left);
        if let Some(rooms) = Rooms::of(&self.client) {
            rooms.remove(&self.session);
        }
        sent
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room")
            .field("jid", self.jid())
            .field("own_address", self.own_address())
            .field("nick", &self.nick())
            .finish_non_exhaustive()
    }
}
