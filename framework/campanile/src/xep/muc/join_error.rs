//! The reasons why a component does not get into a room.

use std::error::Error;
use std::fmt;

use crate::client::SendError;
use crate::error::{Condition, ErrorType, StanzaError};

/// The error of entering a room (XEP-0045 §7.2).
///
/// `Display` says what to do about it. The error of the room, with its text, is the
/// [source](Error::source).
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinError {
    /// The address of the room or the nick is not valid.
    Address(jid::Error),
    /// Another occupant has this nick.
    NickTaken(StanzaError),
    /// The room does not allow this nick, such as one that is not the registered one.
    NickRefused(StanzaError),
    /// The room needs a password, or another one.
    Password(StanzaError),
    /// The component is banned.
    Banned(StanzaError),
    /// The room admits members only.
    MembersOnly(StanzaError),
    /// The room does not exist yet, and this component may not create it.
    NotCreated(StanzaError),
    /// The room is locked, because its owner has not configured it yet, or it does not exist.
    Locked(StanzaError),
    /// The room is full, or the service is.
    Full(StanzaError),
    /// The room is permanently gone.
    Gone(StanzaError),
    /// The service of the room cannot be reached.
    Unreachable(StanzaError),
    /// The service refuses for another reason.
    Refused(StanzaError),
    /// The service has not answered in time.
    Timeout,
    /// This address is in the room already, or is about to enter it.
    AlreadyJoined,
    /// So many rooms are joined that there is no place for another one.
    TooMany,
    /// The request was not sent.
    Send(SendError),
}

impl JoinError {
    /// Reads the error that a room or its server has sent.
    pub(super) fn new(error: StanzaError) -> Self {
        match error.condition() {
            Condition::Conflict => Self::NickTaken(error),
            Condition::NotAcceptable | Condition::JidMalformed => Self::NickRefused(error),
            Condition::NotAuthorized => Self::Password(error),
            Condition::Forbidden => Self::Banned(error),
            Condition::RegistrationRequired => Self::MembersOnly(error),
            Condition::NotAllowed => Self::NotCreated(error),
            Condition::ItemNotFound => Self::Locked(error),
            // XEP-0045 §7.2.9 has `service-unavailable` for a full room. ejabberd sends
            // `resource-constraint` to a user who is in too many rooms.
            Condition::ResourceConstraint => Self::Full(error),
            Condition::ServiceUnavailable if error.error_type() == ErrorType::Wait => {
                Self::Full(error)
            }
            Condition::Gone => Self::Gone(error),
            Condition::RemoteServerNotFound
            | Condition::RemoteServerTimeout
            | Condition::ServiceUnavailable => Self::Unreachable(error),
            _ => Self::Refused(error),
        }
    }

    /// Returns `true` if the same request may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Full(_) | Self::Locked(_) | Self::Unreachable(_) | Self::Timeout => true,
            // The occupant may be this component itself, from before a reconnect.
            Self::NickTaken(_) => true,
            Self::Refused(error) => error.error_type() == ErrorType::Wait,
            _ => false,
        }
    }

    /// Returns the error that the room has sent.
    fn stanza_error(&self) -> Option<&StanzaError> {
        match self {
            Self::NickTaken(error)
            | Self::NickRefused(error)
            | Self::Password(error)
            | Self::Banned(error)
            | Self::MembersOnly(error)
            | Self::NotCreated(error)
            | Self::Locked(error)
            | Self::Full(error)
            | Self::Gone(error)
            | Self::Unreachable(error)
            | Self::Refused(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Address(error) => return write!(f, "not the address of a room: {error}"),
            Self::Send(error) => return error.fmt(f),
            Self::NickTaken(_) => "another occupant has this nick; choose a different one",
            Self::NickRefused(_) => "the room does not allow this nick",
            Self::Password(_) => "the room needs a password, or another one",
            Self::Banned(_) => "banned from the room; one of its admins can lift the ban",
            Self::MembersOnly(_) => "the room is members-only; one of its admins can add this JID",
            Self::NotCreated(_) => "the room does not exist, and this JID may not create it",
            Self::Locked(_) => "the room does not exist, or its owner has not configured it yet",
            Self::Full(_) => "the room or the service is full",
            Self::Gone(_) => "the room is permanently gone",
            Self::Unreachable(_) => "the service of the room cannot be reached",
            Self::Refused(_) => "the service refuses",
            Self::Timeout => "the service of the room has not answered in time",
            Self::AlreadyJoined => "this address is in the room already",
            Self::TooMany => "too many rooms are joined",
        };
        f.write_str(words)?;
        match self.stanza_error() {
            Some(error) => write!(f, " ({error})"),
            None => Ok(()),
        }
    }
}

impl Error for JoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Address(error) => Some(error),
            Self::Send(error) => Some(error),
            other => other
                .stanza_error()
                .map(|error| error as &(dyn Error + 'static)),
        }
    }
}

impl From<SendError> for JoinError {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<jid::Error> for JoinError {
    fn from(error: jid::Error) -> Self {
        Self::Address(error)
    }
}
