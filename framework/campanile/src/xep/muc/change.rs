//! Changes in a room: states of the own visit, occupants and subject.

use std::fmt;
use std::sync::Arc;

use jid::BareJid;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{JoinError, Occupant};

/// The state of a component's visit to a room.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RoomState {
    /// It is about to enter, for the first time or again.
    Joining,
    /// It is inside.
    Joined,
    /// It is outside, and does not try to enter again.
    Removed(Removal),
}

/// The reason why a component is no longer in a room.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Removal {
    /// It has left.
    Left,
    /// It was kicked.
    Kicked(Moderation),
    /// It was banned.
    Banned(Moderation),
    /// Its affiliation was taken away, and the room admits members only.
    AffiliationLost(Moderation),
    /// The room became members-only.
    MembersOnly,
    /// The room was destroyed.
    Destroyed {
        /// The room in its place.
        next: Option<BareJid>,
        /// The reason.
        reason: Option<String>,
    },
    /// The room does not let it in again.
    Refused(Arc<JoinError>),
}

/// The removal of an occupant: its author and its reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moderation {
    /// The nick of the moderator, or its address.
    pub by: Option<String>,
    /// The reason.
    pub reason: Option<String>,
}

/// A change in a room.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RoomChange {
    /// The state of the own visit.
    State(RoomState),
    /// An occupant has entered.
    Entered(Occupant),
    /// An occupant has left.
    Left {
        /// The occupant, as it was.
        occupant: Occupant,
        /// The reason of its removal; `None` if it has left by itself.
        removal: Option<Removal>,
    },
    /// An occupant has a new nick.
    Renamed {
        /// The old nick.
        from: String,
        /// The new nick.
        to: String,
    },
    /// The role or affiliation of an occupant.
    Changed(Occupant),
    /// The subject, empty if it was removed.
    Subject {
        /// The text.
        text: String,
        /// The nick of the one who has set it; `None` for the room itself.
        by: Option<String>,
    },
    /// So many changes were not read in time, and are lost.
    Missed(u64),
}

/// The changes of a room, from the time when they were asked for.
///
/// At most 256 unread changes are kept; then the oldest ones become [`RoomChange::Missed`].
#[derive(Debug)]
pub struct RoomChanges(pub(super) broadcast::Receiver<RoomChange>);

impl RoomChanges {
    /// Waits for the next change. Returns `None` once the component has ended or left the room.
    pub async fn next(&mut self) -> Option<RoomChange> {
        match self.0.recv().await {
            Ok(change) => Some(change),
            Err(RecvError::Lagged(missed)) => Some(RoomChange::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("left"),
            Self::Kicked(moderation) => write!(f, "kicked{moderation}"),
            Self::Banned(moderation) => write!(f, "banned{moderation}"),
            Self::AffiliationLost(moderation) => write!(f, "affiliation taken away{moderation}"),
            Self::MembersOnly => f.write_str("the room became members-only"),
            Self::Destroyed { next, reason } => {
                f.write_str("the room was destroyed")?;
                if let Some(reason) = reason {
                    write!(f, ": {reason}")?;
                }
                match next {
                    Some(next) => write!(f, "; the room in its place is {next}"),
                    None => Ok(()),
                }
            }
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for Moderation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(by) = &self.by {
            write!(f, " by {by}")?;
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}
