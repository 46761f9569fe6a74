//! Rooms (XEP-0045): a component that enters chat rooms, speaks there, and stays in them.
//!
//! ```
//! use campanile::client::Client;
//! use campanile::error::BoxError;
//! use campanile::muc::RoomMessage;
//! use campanile::router::{Filter, Router};
//!
//! async fn listen(message: RoomMessage) -> Result<(), BoxError> {
//!     if let Some("ping") = message.addressed() {
//!         message.room.say(&format!("{}: pong", message.nick)).await?;
//!     }
//!     Ok(())
//! }
//!
//! async fn enter(client: Client) -> Result<(), BoxError> {
//!     client.join("hall@rooms.example.org", "bot").await?;
//!     Ok(())
//! }
//!
//! let router: Router = Router::new().on(Filter::message(), listen);
//! ```
//!
//! # Entering
//!
//! [`Client::join`](crate::client::Client::join) sends the request and waits until the room has let
//! the component in. Each reason for which a room refuses is a variant of [`JoinError`]. No history
//! is sent unless [`Join::history`] asks for it.
//!
//! # Staying
//!
//! The component stays in the room until [`Room::leave`], whatever happens meanwhile:
//!
//! | event | what follows |
//! |---|---|
//! | the stream to the server was lost | the component enters again as soon as there is another |
//! | the service shuts down (332), or an error removes the component (333) | it enters again, with growing delays while the service cannot be reached |
//! | the room has forgotten the component | found out by a ping of its own occupant after five minutes of silence (XEP-0410), or by the error for its next message |
//! | kicked, banned, the room is members-only now or destroyed | the visit has ended: [`RoomState::Removed`] says why |
//!
//! At most eight requests to one service wait for an answer at the same time, so hundreds of rooms
//! do not flood it. Whenever the component enters again, it asks for what was said since the last
//! message, and messages that it has seen are dropped: they are recognized by the id that the room
//! has given them (XEP-0359), or else by the occupant and the id of the message.
//!
//! # What handlers get
//!
//! Messages of rooms are dispatched like all others: the type is
//! [`Groupchat`](crate::stanza::MessageType::Groupchat), and the sender is the occupant. The
//! component's own messages, which a room sends back, reach no handler unless [`Join::reflections`]
//! asks for them. Nothing that a handler returns is sent to a room by itself: use [`Room::say`].
//!
//! | extractor | value |
//! |---|---|
//! | [`Room`] | the room that the stanza comes from |
//! | [`Occupant`] | the occupant that has sent it |
//! | [`RoomMessage`] | a message to all, with the nick of its sender, and whether it is history |
//!
//! # Many addresses in one room
//!
//! A bridge to another network has one address for each of its users ([`Join::with_address`]). One
//! of them reads; the others enter with [`Join::only_speaks`]. What the room sends to those is
//! dropped as soon as its sender is known, before anything else is parsed. The room still sends
//! every message to each of them.

mod change;
mod entry;
mod extract;
mod history;
mod join;
mod join_error;
mod keeper;
mod mention;
mod moderate;
mod occupancy;
mod occupant;
mod plan;
mod registry;
mod room;
mod self_ping;
mod session;
mod speak;

pub use self::change::{Moderation, Removal, RoomChange, RoomChanges, RoomState};
pub use self::extract::RoomMessage;
pub use self::history::History;
pub use self::join::Join;
pub use self::join_error::JoinError;
pub use self::mention::{addressed, mentions};
pub use self::occupant::Occupant;
pub use self::room::Room;
pub use self::speak::RoomError;
