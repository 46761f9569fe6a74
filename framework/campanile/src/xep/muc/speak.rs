//! Actions of every occupant: speaking, whispering, the subject, the nick, and invitations.

use std::error::Error;
use std::fmt;

use jid::{BareJid, Jid};
use tokio::time::{Duration, timeout};

use super::Room;
use crate::client::SendError;
use crate::error::StanzaError;
use crate::payload::{MediatedInvitation, MucUser, RoomInvitation};
use crate::stanza::{Kind, MessageType, PresenceType, Stanza, WriteError};

/// The time that a room has to send a message back.
const REFLECTION: Duration = Duration::from_secs(60);

/// The error of an action in a room.
#[derive(Debug)]
#[non_exhaustive]
pub enum RoomError {
    /// The room refuses, for example because the component has no voice, or may not kick.
    Refused(StanzaError),
    /// The room has not answered in time, or the component was removed from it meanwhile.
    Timeout,
    /// More messages than are allowed wait for the room at the same time.
    TooMany,
    /// The stanza was not sent.
    Send(SendError),
}

impl Room {
    /// Sends a message to all occupants, and waits until the room has sent it back: then all of
    /// them get it, in the same order.
    ///
    /// # Errors
    /// If the room refuses the message or does not send it back within a minute.
    pub async fn say(&self, body: &str) -> Result<(), RoomError> {
        let message = self.message(MessageType::Groupchat, self.jid().clone());
        self.send(message.with_text("body", body)?).await
    }

    /// Sends any message to all occupants, and waits until the room has sent it back. Type, sender
    /// and recipient are set.
    ///
    /// An address that [only speaks](super::Join::only_speaks) does not wait, because what the room
    /// sends to it is dropped.
    ///
    /// # Errors
    /// As [`say`](Self::say).
    pub async fn send(&self, message: Stanza) -> Result<(), RoomError> {
        let id = match message.id() {
            Some(id) => id.to_owned(),
            None => self.client.fresh_id(),
        };
        let message = message
            .with_kind(Kind::Message(MessageType::Groupchat))
            .with_from(self.own_address().clone())
            .with_to(self.jid().clone())
            .with_id(&id);
        if self.session.settings.only_speaks {
            return Ok(self.client.send(message).await?);
        }
        let reflected = self
            .session
            .expect_reflection(id)
            .ok_or(RoomError::TooMany)?;
        self.client.send(message).await?;
        match timeout(REFLECTION, reflected).await {
            Ok(Ok(said)) => said.map_err(RoomError::Refused),
            Ok(Err(_)) | Err(_) => Err(RoomError::Timeout),
        }
    }

    /// Sends a private message to the occupant with this nick.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub async fn whisper(&self, nick: &str, body: &str) -> Result<(), RoomError> {
        let occupant = self.session.occupant_jid(nick)?;
        let message = self.message(MessageType::Chat, occupant);
        // XEP-0045 §7.5: marks the message as private for the recipient's server.
        let message = message
            .with_text("body", body)?
            .with_child(&MucUser::default())?;
        Ok(self.client.send(message).await?)
    }

    /// Sets the subject, or removes it if the text is empty.
    ///
    /// # Errors
    /// As [`say`](Self::say).
    pub async fn set_subject(&self, text: &str) -> Result<(), RoomError> {
        let message = self.message(MessageType::Groupchat, self.jid().clone());
        self.send(message.with_text("subject", text)?).await
    }

    /// Changes the nick of the component.
    ///
    /// # Errors
    /// If the room refuses, for example because another occupant has this nick.
    pub async fn change_nick(&self, nick: &str) -> Result<(), RoomError> {
        let presence = self.session.to_occupant(PresenceType::Available, nick)?;
        let answered = self.session.expect_nick();
        self.client.send(presence).await?;
        match timeout(REFLECTION, answered).await {
            Ok(Ok(changed)) => changed.map_err(RoomError::Refused),
            Ok(Err(_)) | Err(_) => Err(RoomError::Timeout),
        }
    }

    /// Asks the room to invite a user (XEP-0045 §7.8.2). The room lets the invited one in even
    /// if it is members-only, and checks that the component may invite.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub async fn invite(&self, who: &BareJid, reason: Option<&str>) -> Result<(), RoomError> {
        let invitation = MediatedInvitation {
            to: Some(who.clone().into()),
            reason: reason.map(str::to_owned),
            from: None,
        };
        let request = MucUser {
            invitations: vec![invitation],
            ..MucUser::default()
        };
        let message = self.message(MessageType::Normal, self.jid().clone());
        Ok(self.client.send(message.with_child(&request)?).await?)
    }

    /// Invites a user without the help of the room (XEP-0249).
    ///
    /// # Errors
    /// If it cannot be sent.
    pub async fn invite_directly(&self, who: &Jid, reason: Option<&str>) -> Result<(), RoomError> {
        let invitation = RoomInvitation {
            reason: reason.map(str::to_owned),
            password: self.session.settings.password.clone(),
            ..RoomInvitation::new(self.jid().clone())
        };
        let message = self.message(MessageType::Normal, who.clone());
        Ok(self.client.send(message.with_child(&invitation)?).await?)
    }

    fn message(&self, kind: MessageType, to: impl Into<Jid>) -> Stanza {
        Stanza::new(Kind::Message(kind))
            .with_from(self.own_address().clone())
            .with_to(to)
    }
}

impl fmt::Display for RoomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "the room refuses ({error})"),
            Self::Timeout => f.write_str("the room has not answered in time"),
            Self::TooMany => f.write_str("too many messages wait for the room"),
            Self::Send(error) => error.fmt(f),
        }
    }
}

impl Error for RoomError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::Timeout | Self::TooMany => None,
        }
    }
}

impl From<SendError> for RoomError {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<WriteError> for RoomError {
    fn from(error: WriteError) -> Self {
        Self::Send(error.into())
    }
}
