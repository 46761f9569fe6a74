//! One address of the component in one room: its state, and who waits for what.

mod observe;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jid::{BareJid, Jid};
use tokio::sync::{broadcast, oneshot, watch};
use tokio::time::Instant;

use super::change::{Removal, RoomChange, RoomState};
use super::history::{History, SeenMessages};
use super::occupancy::Occupancy;
use super::plan::Plan;
use super::{JoinError, Occupant};
use crate::error::StanzaError;
use crate::payload::{Muc, OccupantId};
use crate::stanza::{Kind, PresenceType, Stanza, WriteError};

/// The number of changes that are kept for a slow reader.
const CHANGES: usize = 256;
/// The number of own messages that may wait for their reflection at the same time.
const REFLECTIONS: usize = 256;

/// The parameters of a visit.
#[derive(Debug, Clone, Default)]
pub(super) struct JoinSettings {
    pub(super) password: Option<String>,
    pub(super) history: History,
    /// Handlers get the component's own messages as well.
    pub(super) reflections: bool,
    /// The address only speaks: what the room sends to it is dropped.
    pub(super) only_speaks: bool,
}

/// The answer to a request to change the nick.
type NickAnswer = oneshot::Sender<Result<(), StanzaError>>;

/// The visit of one address to one room.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) room: BareJid,
    pub(super) own: Jid,
    pub(super) settings: JoinSettings,
    /// Set while the keeper works for this visit.
    pub(super) is_busy: AtomicBool,
    /// The number of refused attempts to enter again.
    pub(super) failures: AtomicU32,
    inner: Mutex<Inner>,
    changes: broadcast::Sender<RoomChange>,
    state: watch::Sender<RoomState>,
}

#[derive(Debug)]
struct Inner {
    occupancy: Occupancy,
    seen: SeenMessages,
    plan: Plan,
    heard: Instant,
    /// Own messages that the room has not sent back yet, by id.
    reflections: HashMap<String, oneshot::Sender<Result<(), StanzaError>>>,
    new_nick: Option<NickAnswer>,
    /// The one who waits for the component to be inside.
    entry: Option<oneshot::Sender<Result<(), JoinError>>>,
    /// The presence that enters the room was written to the present stream.
    is_asked: bool,
    /// The component is about to leave.
    is_leaving: bool,
}

impl Session {
    pub(super) fn new(room: BareJid, own: Jid, nick: &str, settings: JoinSettings) -> Self {
        let occupancy = Occupancy::new(nick.to_owned(), settings.only_speaks);
        let inner = Inner {
            occupancy,
            seen: SeenMessages::default(),
            plan: Plan::Nothing,
            heard: Instant::now(),
            reflections: HashMap::new(),
            new_nick: None,
            entry: None,
            is_asked: false,
            is_leaving: false,
        };
        Self {
            room,
            own,
            settings,
            is_busy: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            inner: Mutex::new(inner),
            changes: broadcast::Sender::new(CHANGES),
            state: watch::Sender::new(RoomState::Joining),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Stanzas are applied whole; no code that can panic runs under this lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> RoomState {
        self.state.borrow().clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<RoomState> {
        self.state.subscribe()
    }

    pub(super) fn changes(&self) -> broadcast::Receiver<RoomChange> {
        self.changes.subscribe()
    }

    pub(super) fn nick(&self) -> String {
        self.lock().occupancy.nick.clone()
    }

    pub(super) fn subject_text(&self) -> Option<String> {
        self.lock().occupancy.subject.clone()
    }

    pub(super) fn occupants(&self) -> Vec<Occupant> {
        self.lock().occupancy.occupants.values().cloned().collect()
    }

    pub(super) fn occupant(&self, nick: &str) -> Option<Occupant> {
        self.lock().occupancy.occupants.get(nick).cloned()
    }

    /// Returns `true` if a message from this nick is one of the component itself.
    pub(super) fn is_own_message(&self, nick: &str, message: &Stanza) -> bool {
        self.lock().is_own(nick, message)
    }

    /// Returns the presence that enters the room.
    pub(super) fn entering(&self) -> Result<Stanza, WriteError> {
        let mut inner = self.lock();
        inner.occupancy.reset();
        let history = match inner.seen.since_last() {
            Some(history) if !self.settings.only_speaks => history,
            _ => self.settings.history.request(),
        };
        let request = Muc {
            password: self.settings.password.clone(),
            history: Some(history),
        };
        let nick = inner.occupancy.nick.clone();
        drop(inner);
        self.to_occupant(PresenceType::Available, &nick)?
            .with_child(&request)
    }

    /// Returns the presence that leaves the room.
    pub(super) fn leaving(&self) -> Result<Stanza, WriteError> {
        self.to_occupant(PresenceType::Unavailable, &self.nick())
    }

    /// Returns presence to the own occupant or to the one that it is about to be.
    pub(super) fn to_occupant(&self, kind: PresenceType, nick: &str) -> Result<Stanza, WriteError> {
        let occupant = self.occupant_jid(nick)?;
        Ok(Stanza::new(Kind::Presence(kind))
            .with_from(self.own.clone())
            .with_to(occupant))
    }

    pub(super) fn occupant_jid(&self, nick: &str) -> Result<Jid, WriteError> {
        self.room
            .with_resource_str(nick)
            .map(Jid::from)
            .map_err(|error| WriteError::Value(format!("not a nick: {error}")))
    }

    /// From now on, the end of the visit is wanted.
    pub(super) fn begin_leaving(&self) {
        let mut inner = self.lock();
        inner.is_leaving = true;
        inner.plan = Plan::Nothing;
    }

    /// Ends the visit.
    pub(super) fn end(&self, removal: Removal) {
        self.remove(&mut self.lock(), removal);
    }

    /// Enters again, because the stream to the server was lost or the room has forgotten the
    /// component.
    pub(super) fn lost(&self) {
        let mut inner = self.lock();
        if !matches!(*self.state.borrow(), RoomState::Removed(_)) {
            self.lose(&mut inner);
        }
    }

    /// There is another stream. What was asked for on the one before has no answer.
    pub(super) fn reconnected(&self) {
        let is_waiting = {
            let inner = self.lock();
            inner.entry.is_some() && !inner.is_asked
        };
        if !is_waiting {
            self.lost();
        }
    }

    pub(super) fn plan(&self) -> Plan {
        self.lock().plan
    }

    pub(super) fn set_plan(&self, plan: Plan) {
        self.lock().plan = plan;
    }

    pub(super) fn heard(&self) -> Instant {
        self.lock().heard
    }

    /// Waits for the reflection of a message with this id.
    pub(super) fn expect_reflection(
        &self,
        id: String,
    ) -> Option<oneshot::Receiver<Result<(), StanzaError>>> {
        let (said, reflected) = oneshot::channel();
        let mut inner = self.lock();
        inner.reflections.retain(|_, said| !said.is_closed());
        if inner.reflections.len() >= REFLECTIONS {
            return None;
        }
        inner.reflections.insert(id, said);
        Some(reflected)
    }

    /// Waits until the component is inside. It is dropped without an answer when the stream or the
    /// visit ends.
    pub(super) fn expect_entry(&self) -> oneshot::Receiver<Result<(), JoinError>> {
        let (entry, entered) = oneshot::channel();
        let mut inner = self.lock();
        inner.entry = Some(entry);
        inner.is_asked = false;
        entered
    }

    /// The presence that enters the room was written.
    pub(super) fn asked(&self) {
        self.lock().is_asked = true;
    }

    /// Chooses another nick for the next attempt to enter.
    pub(super) fn try_nick(&self, nick: String) {
        self.lock().occupancy.nick = nick;
    }

    /// Waits for the answer to a change of the nick.
    pub(super) fn expect_nick(&self) -> oneshot::Receiver<Result<(), StanzaError>> {
        let (answer, answered) = oneshot::channel();
        self.lock().new_nick = Some(answer);
        answered
    }
}

impl Inner {
    fn is_own(&self, nick: &str, message: &Stanza) -> bool {
        let id = message.child::<OccupantId>().ok().map(|id| id.id);
        self.occupancy.is_own(nick, id.as_deref())
    }
}
