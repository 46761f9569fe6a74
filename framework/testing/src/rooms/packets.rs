//! The stanzas that a room sends.

use campanile::payload::{Delay, MucDestroy, MucItem, MucUser, OccupantId, Role, StanzaId};
use campanile::stanza::{ChildrenBuilder, Kind, MessageType, PresenceType, Stanza, WriteError};
use jid::{BareJid, Jid};

use super::occupant::Occupant;

/// Writes the stanzas of one room.
#[derive(Debug)]
pub(super) struct Packets {
    room: BareJid,
    /// The reason of the removal that is being written.
    pub(super) reason: Option<String>,
    /// The end of the room that is being written.
    pub(super) destroy: Option<MucDestroy>,
}

impl Packets {
    pub(super) fn new(room: BareJid) -> Self {
        Self {
            room,
            reason: None,
            destroy: None,
        }
    }

    fn from(&self, nick: &str) -> Result<Jid, WriteError> {
        let jid = self.room.with_resource_str(nick);
        jid.map(Jid::from)
            .map_err(|error| WriteError::Value(error.to_string()))
    }

    /// Returns the presence of an occupant.
    pub(super) fn presence(
        &self,
        occupant: &Occupant,
        statuses: &[u16],
    ) -> Result<Stanza, WriteError> {
        let item = MucItem {
            role: Some(occupant.role),
            affiliation: Some(occupant.affiliation),
            ..MucItem::default()
        };
        let user = MucUser {
            items: vec![item],
            statuses: statuses.to_vec(),
            ..MucUser::default()
        };
        Stanza::new(Kind::Presence(PresenceType::Available))
            .with_from(self.from(&occupant.nick)?)
            .with_child(&occupant_id(occupant))?
            .with_child(&user)
    }

    /// Returns the presence of an occupant that leaves or takes another nick.
    pub(super) fn unavailable(
        &self,
        occupant: &Occupant,
        new_nick: Option<&str>,
        statuses: Vec<u16>,
    ) -> Result<Stanza, WriteError> {
        let item = MucItem {
            role: Some(new_nick.map_or(Role::None, |_| occupant.role)),
            affiliation: Some(occupant.affiliation),
            nick: new_nick.map(str::to_owned),
            reason: self.reason.clone(),
            ..MucItem::default()
        };
        let user = MucUser {
            items: vec![item],
            statuses,
            destroy: self.destroy.clone(),
            ..MucUser::default()
        };
        Stanza::new(Kind::Presence(PresenceType::Unavailable))
            .with_from(self.from(&occupant.nick)?)
            .with_child(&user)
    }

    /// Returns a message of an occupant, as all get it.
    pub(super) fn message(
        &self,
        speaker: &Occupant,
        message: &Stanza,
        number: u64,
    ) -> Result<Stanza, WriteError> {
        let id = StanzaId {
            id: format!("said-{number}"),
            by: self.room.clone().into(),
        };
        self.private(speaker, message)?.with_child(&id)
    }

    /// Returns a message as it comes from an occupant.
    pub(super) fn private(
        &self,
        speaker: &Occupant,
        message: &Stanza,
    ) -> Result<Stanza, WriteError> {
        let copy = Stanza::new(message.kind())
            .with_from(self.from(&speaker.nick)?)
            .with_children(message.children().clone());
        let copy = match message.id() {
            Some(id) => copy.with_id(id),
            None => copy,
        };
        copy.with_child(&occupant_id(speaker))
    }

    /// Returns a message of the history.
    pub(super) fn delayed(&self, message: &Stanza) -> Result<Stanza, WriteError> {
        let delay = Delay {
            from: Some(self.room.clone().into()),
            stamp: "2026-01-01T00:00:00Z"
                .parse()
                .map_err(|error| WriteError::Value(format!("not a date: {error}")))?,
            data: None,
        };
        message.clone().with_child(&delay)
    }

    /// Returns the message that ends the welcome.
    pub(super) fn subject(&self, text: &str) -> Result<Stanza, WriteError> {
        let mut children = ChildrenBuilder::default();
        children.push_text("jabber:client", "subject", text)?;
        Ok(Stanza::new(Kind::Message(MessageType::Groupchat))
            .with_from(self.room.clone())
            .with_children(children.finish()))
    }
}

/// The id that stays the same for a user (XEP-0421). A real service would not show the address.
fn occupant_id(occupant: &Occupant) -> OccupantId {
    OccupantId {
        id: format!("id of {}", occupant.jid.to_bare()),
    }
}
