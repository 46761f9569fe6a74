//! Entering a room.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use jid::{BareJid, Jid};

use super::change::Removal;
use super::entry::enter;
use super::history::History;
use super::keeper;
use super::plan::Plan;
use super::registry::Rooms;
use super::session::{JoinSettings, Session};
use super::{JoinError, Room};
use crate::client::{Client, SendError};

/// The number of other nicks that are tried.
const OTHER_NICKS: usize = 5;

/// A request to enter a room, which is sent when it is awaited.
///
/// ```
/// use campanile::client::Client;
/// use campanile::error::BoxError;
/// use campanile::muc::History;
///
/// # async fn example(client: &Client) -> Result<(), BoxError> {
/// let room = client
///     .join("hall@rooms.example.org", "bot")
///     .history(History::Last(20))
///     .await?;
/// room.say("hello").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent until the request is awaited"]
pub struct Join {
    client: Client,
    room: String,
    nick: String,
    own: Option<Jid>,
    settings: JoinSettings,
    other_nicks: bool,
}

impl Client {
    /// Enters a room, and stays in it until [`Room::leave`]: after a reconnect, a restart of the
    /// service, or any other loss, the component enters again.
    ///
    /// `room` is the bare JID of the room.
    pub fn join(&self, room: impl Into<String>, nick: impl Into<String>) -> Join {
        Join {
            client: self.clone(),
            room: room.into(),
            nick: nick.into(),
            own: None,
            settings: JoinSettings::default(),
            other_nicks: false,
        }
    }
}

impl Join {
    /// Enters with this address, which lies within the component's domain, instead of with the
    /// domain itself. Each address is an occupant of its own.
    pub fn with_address(mut self, own: impl Into<Jid>) -> Self {
        self.own = Some(own.into());
        self
    }

    /// Sets the password of the room.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.settings.password = Some(password.into());
        self
    }

    /// Sets how much of the room's history is sent at first. Nothing by default.
    pub fn history(mut self, history: History) -> Self {
        self.settings.history = history;
        self
    }

    /// Tries other nicks, with underscores added, if this one is taken.
    pub fn other_nicks(mut self) -> Self {
        self.other_nicks = true;
        self
    }

    /// Passes the component's own messages, which a room sends back, to the handlers as well.
    pub fn reflections(mut self) -> Self {
        self.settings.reflections = true;
        self
    }

    /// Drops all that the room sends to this address, except what concerns its own visit.
    ///
    /// For a component that has many addresses in one room, such as a bridge to another network:
    /// one of them reads, the others only speak. The service still sends every stanza to each.
    pub fn only_speaks(mut self) -> Self {
        self.settings.only_speaks = true;
        self
    }

    async fn send(self) -> Result<Room, JoinError> {
        let room = BareJid::new(&self.room)?;
        // A nick that cannot be one is found before anything is sent.
        room.with_resource_str(&self.nick)?;
        let own = self.own.unwrap_or_else(|| self.client.domain().clone());
        let session = Arc::new(Session::new(room, own, &self.nick, self.settings));
        let rooms = Rooms::observing(&self.client).ok_or(SendError::Closed)?;
        rooms.add(&session)?;
        rooms.kept_by(|| keeper::start(Arc::downgrade(&rooms), &self.client));
        let visit = Visit {
            rooms: &rooms,
            session: &session,
            client: &self.client,
            end: End::Unknown,
        };
        visit.begin(self.other_nicks).await?;
        Ok(Room::new(self.client.clone(), session))
    }
}

impl IntoFuture for Join {
    type Output = Result<Room, JoinError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("room", &self.room)
            .field("nick", &self.nick)
            .finish_non_exhaustive()
    }
}

/// A visit that ends if it does not begin: also when the caller drops its future.
struct Visit<'j> {
    rooms: &'j Rooms,
    session: &'j Arc<Session>,
    client: &'j Client,
    end: End,
}

/// The outcome of the request to enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Inside,
    Refused,
    /// There is no answer: the component may be inside.
    Unknown,
}

impl Visit<'_> {
    async fn begin(mut self, other_nicks: bool) -> Result<(), JoinError> {
        let mut tries = if other_nicks { OTHER_NICKS } else { 0 };
        loop {
            match enter(self.session, self.client).await {
                Ok(()) => break,
                Err(JoinError::NickTaken(_)) if tries > 0 => {
                    tries -= 1;
                    self.session.try_nick(self.session.nick() + "_");
                }
                Err(error) => {
                    if !matches!(error, JoinError::Timeout) {
                        self.end = End::Refused;
                    }
                    return Err(error);
                }
            }
        }
        self.end = End::Inside;
        self.rooms.changed.notify_one();
        Ok(())
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        match self.end {
            End::Inside => {}
            End::Refused => {
                self.session.end(Removal::Left);
                self.rooms.remove(self.session);
            }
            End::Unknown => {
                self.session.end(Removal::Left);
                self.session.set_plan(Plan::Leave);
                self.rooms.changed.notify_one();
            }
        }
    }
}
