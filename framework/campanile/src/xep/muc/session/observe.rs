//! Stanzas of a room: they change the state of the visit, and some of them reach no handler.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Inner, Session};
use crate::error::{Condition, StanzaError};
use crate::stanza::{Kind, MessageType, PresenceType, Stanza};
use crate::xep::muc::JoinError;
use crate::xep::muc::change::{Removal, RoomChange, RoomState};
use crate::xep::muc::history::is_history;
use crate::xep::muc::occupancy::OwnEvent;
use crate::xep::muc::occupant::nick_of;
use crate::xep::muc::plan::Plan;

/// The decision about a stanza of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Observed {
    /// It is handled like any other.
    Handle,
    /// No handler sees it.
    Drop,
}

/// The result of observing a stanza.
#[derive(Debug, Clone, Copy)]
pub(in crate::xep::muc) struct Observation {
    /// Handlers see the stanza.
    pub(in crate::xep::muc) is_handled: bool,
    /// The keeper has something else to do.
    pub(in crate::xep::muc) is_replanned: bool,
    /// The visit has ended.
    pub(in crate::xep::muc) is_over: bool,
}

impl Session {
    /// Applies a stanza of the room that is addressed to this occupant.
    pub(in crate::xep::muc) fn observe(&self, stanza: &Stanza) -> Observation {
        let mut inner = self.lock();
        inner.heard = Instant::now();
        let planned = inner.plan;
        let observed = match stanza.kind() {
            Kind::Presence(_) => self.presence(&mut inner, stanza),
            Kind::Message(MessageType::Groupchat) => self.groupchat(&mut inner, stanza),
            Kind::Message(MessageType::Error) => self.bounced(&mut inner, stanza),
            _ => Observed::Handle,
        };
        Observation {
            is_handled: observed == Observed::Handle,
            is_replanned: inner.plan != planned,
            is_over: self.is_over() && inner.plan == Plan::Nothing,
        }
    }

    fn presence(&self, inner: &mut Inner, presence: &Stanza) -> Observed {
        let nick = nick_of(presence);
        let is_error = presence.kind() == Kind::Presence(PresenceType::Error);
        if self.settings.only_speaks
            && inner.occupancy.is_inside
            && !is_error
            && nick.is_some_and(|nick| nick != inner.occupancy.nick)
        {
            return Observed::Drop;
        }
        let mut changes = Vec::new();
        let event = inner.occupancy.presence(presence, &mut changes);
        let observed = match (&event, is_error) {
            // The caller of `join` or `change_nick` gets the error.
            (Some(OwnEvent::Refused(_)), true) if Self::expects_refusal(inner) => Observed::Drop,
            _ => Observed::Handle,
        };
        for change in changes {
            self.tell(change);
        }
        if let Some(event) = event {
            self.own_event(inner, event);
        }
        observed
    }

    fn expects_refusal(inner: &Inner) -> bool {
        inner.new_nick.is_some() || inner.entry.is_some()
    }

    fn own_event(&self, inner: &mut Inner, event: OwnEvent) {
        // An answer that comes too late.
        if self.is_over() {
            return;
        }
        match event {
            OwnEvent::Entered => {
                inner.plan = Plan::ping_after(Instant::now());
                self.change_to(RoomState::Joined);
                answer(inner.entry.take(), Ok(()));
            }
            OwnEvent::Renamed => answer(inner.new_nick.take(), Ok(())),
            OwnEvent::Removed(removal) => self.remove(inner, removal),
            OwnEvent::Lost if inner.is_leaving => self.remove(inner, Removal::Left),
            OwnEvent::Lost => self.lose(inner),
            OwnEvent::Refused(error) if inner.new_nick.is_some() => {
                answer(inner.new_nick.take(), Err(error));
            }
            OwnEvent::Refused(error) if inner.entry.is_some() => {
                answer(inner.entry.take(), Err(JoinError::new(error)));
            }
            // XEP-0045 §7.4: the component is not in the room.
            OwnEvent::Refused(error) if error.condition() == Condition::NotAcceptable => {
                self.lose(inner);
            }
            OwnEvent::Refused(_) => {}
        }
    }

    fn groupchat(&self, inner: &mut Inner, message: &Stanza) -> Observed {
        if self.settings.only_speaks {
            return Observed::Drop;
        }
        let nick = nick_of(message);
        self.subject(inner, message, nick);
        let is_new = inner.seen.insert(message, self.room.as_str());
        if !is_new && is_history(message) {
            return Observed::Drop;
        }
        if !nick.is_some_and(|nick| inner.is_own(nick, message)) {
            return Observed::Handle;
        }
        answer(
            message.id().and_then(|id| inner.reflections.remove(id)),
            Ok(()),
        );
        if self.settings.reflections {
            Observed::Handle
        } else {
            Observed::Drop
        }
    }

    /// Records the subject. XEP-0045 §7.2.15: a message with a subject and a body only has one.
    fn subject(&self, inner: &mut Inner, message: &Stanza, nick: Option<&str>) {
        let children = message.children();
        let Some(subject) = children.find("jabber:client", "subject") else {
            return;
        };
        if children.find("jabber:client", "body").is_some() {
            return;
        }
        let text = subject.text().into_owned();
        let before = inner.occupancy.subject.replace(text.clone());
        if before.as_ref() != Some(&text) {
            let by = nick.map(str::to_owned);
            self.tell(RoomChange::Subject { text, by });
        }
    }

    /// Applies the error for a message to the room.
    fn bounced(&self, inner: &mut Inner, message: &Stanza) -> Observed {
        let error = StanzaError::from_stanza(message);
        // XEP-0045 §7.4: the sender is not in the room.
        let is_outside = error.condition() == Condition::NotAcceptable;
        let said = message.id().and_then(|id| inner.reflections.remove(id));
        let observed = if said.is_some() {
            Observed::Drop
        } else {
            Observed::Handle
        };
        answer(said, Err(error));
        if is_outside && inner.occupancy.is_inside {
            self.lose(inner);
        }
        observed
    }

    fn is_over(&self) -> bool {
        matches!(*self.state.borrow(), RoomState::Removed(_))
    }

    fn change_to(&self, state: RoomState) {
        self.state.send_replace(state.clone());
        self.tell(RoomChange::State(state));
    }

    pub(super) fn remove(&self, inner: &mut Inner, removal: Removal) {
        inner.occupancy.reset();
        inner.plan = Plan::Nothing;
        inner.reflections.clear();
        // Otherwise it would take the refusal of the next request to enter.
        inner.new_nick = None;
        inner.entry = None;
        self.change_to(RoomState::Removed(removal));
    }

    /// Enters the room again at the next opportunity.
    pub(super) fn lose(&self, inner: &mut Inner) {
        inner.occupancy.reset();
        inner.reflections.clear();
        // Otherwise it would take the refusal of the next request to enter.
        inner.new_nick = None;
        inner.entry = None;
        // Before the first entry, the caller of `join` asks again.
        if inner.plan != Plan::Nothing {
            inner.plan = Plan::Join(Instant::now());
        }
        if !matches!(*self.state.borrow(), RoomState::Joining) {
            self.change_to(RoomState::Joining);
        }
    }

    fn tell(&self, change: RoomChange) {
        // An error means that there are no listeners.
        let _ = self.changes.send(change);
    }
}

/// Passes on a result, if it is still awaited.
fn answer<T>(waiting: Option<oneshot::Sender<T>>, result: T) {
    if let Some(waiting) = waiting {
        // The caller may have dropped its future.
        let _ = waiting.send(result);
    }
}
