//! Extractors for what rooms send.

use super::history::is_history;
use super::mention::{addressed, mentions};
use super::occupant::nick_of;
use super::{Occupant, Room};
use crate::error::{Condition, StanzaError};
use crate::extract::{Body, FromInbound, Rejection};
use crate::inbound::Inbound;
use crate::payload::{Affiliation, OccupantId, Role};
use crate::stanza::{Kind, MessageType};

/// The room that the stanza comes from. Missing if the recipient has not [joined] it.
///
/// [joined]: crate::client::Client::join
impl<S> FromInbound<S> for Room {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        let room = inbound.sender().to_bare();
        let found = inbound.client().room_as(&room, inbound.recipient());
        found.ok_or_else(|| Rejection::missing(not_in_a_room()))
    }
}

/// The occupant that has sent the stanza. Missing if the recipient has not joined the room, or if
/// the room itself has sent it.
///
/// Of an occupant that has left meanwhile, or from before the component has entered, only the nick
/// and the id are known; the role is [`Role::None`].
impl<S> FromInbound<S> for Occupant {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, state: &S) -> Result<Self, Rejection> {
        let room = Room::from_inbound(inbound, state)?;
        let nick = nick_of(inbound.stanza());
        let nick = nick.ok_or_else(|| Rejection::missing(not_in_a_room()))?;
        Ok(room.occupant(nick).unwrap_or_else(|| Self {
            nick: nick.to_owned(),
            role: Role::None,
            affiliation: Affiliation::None,
            jid: None,
            id: occupant_id(inbound),
        }))
    }
}

/// A message to all occupants of a room, and how it concerns the component.
///
/// Missing if the stanza is none, or if the recipient has not joined the room.
///
/// ```
/// use campanile::muc::RoomMessage;
/// use campanile::reply::Reply;
///
/// async fn listen(message: RoomMessage) -> Result<(), campanile::error::BoxError> {
///     if let Some(request) = message.addressed() {
///         println!("{} asks: {request}", message.nick);
///         message.room.say("at your service").await?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RoomMessage {
    /// The room.
    pub room: Room,
    /// The nick of the sender; empty for the room itself.
    pub nick: String,
    /// The text; empty if the message has none, such as a new subject.
    pub body: String,
    /// The component has sent it itself. Handlers get such messages on
    /// [request](super::Join::reflections) only.
    pub is_own: bool,
    /// It is from before the component has entered.
    pub is_history: bool,
    /// The component's nick when it was extracted.
    own_nick: String,
}

impl RoomMessage {
    /// Returns the text after the component's nick, if the message begins with it, as in
    /// `bot: help`.
    #[must_use]
    pub fn addressed(&self) -> Option<&str> {
        addressed(&self.body, &self.own_nick)
    }

    /// Returns `true` if the component's nick is a word of the text.
    #[must_use]
    pub fn mentions_component(&self) -> bool {
        mentions(&self.body, &self.own_nick)
    }
}

impl<S> FromInbound<S> for RoomMessage {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, state: &S) -> Result<Self, Rejection> {
        if inbound.kind() != Kind::Message(MessageType::Groupchat) {
            return Err(Rejection::missing(not_in_a_room()));
        }
        let room = Room::from_inbound(inbound, state)?;
        let nick = nick_of(inbound.stanza()).unwrap_or_default().to_owned();
        let body = Body::from_inbound(inbound, state).map_or_else(|_| String::new(), |body| body.0);
        Ok(Self {
            is_own: room.session.is_own_message(&nick, inbound.stanza()),
            is_history: is_history(inbound.stanza()),
            own_nick: room.nick(),
            room,
            nick,
            body,
        })
    }
}

fn occupant_id(inbound: &Inbound) -> Option<String> {
    let id = inbound.stanza().child::<OccupantId>();
    id.ok().map(|id| id.id)
}

fn not_in_a_room() -> StanzaError {
    StanzaError::new(Condition::NotAcceptable)
        .with_text("not a stanza of a room that this address has joined")
        .with_lang("en")
}
