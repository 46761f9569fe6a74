//! Errors of virtual users.

use std::fmt;

use campanile::stanza::WriteError;
use jid::Jid;

/// Errors of [`User`](super::User) methods and of [`Host::user`](super::Host::user).
#[derive(Debug)]
#[non_exhaustive]
pub enum UserError {
    /// The text is not the address of a user.
    Jid(String),
    /// The address is already online, or belongs to a component.
    Taken(Jid),
    /// The text is not a single stanza.
    Xml(String),
    /// The stanza names another sender.
    Sender(Jid),
    /// The stanza cannot be serialized.
    Write(WriteError),
    /// The host is closed.
    Closed,
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jid(why) => write!(f, "not the address of a user: {why}"),
            Self::Taken(jid) => write!(f, "{jid} is already online, or belongs to a component"),
            Self::Xml(why) => write!(f, "not a single stanza: {why}"),
            Self::Sender(jid) => write!(f, "not permitted to send as {jid}"),
            Self::Write(error) => write!(f, "cannot serialize the stanza: {error}"),
            Self::Closed => f.write_str("the host is closed"),
        }
    }
}

impl std::error::Error for UserError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Write(error) => Some(error),
            _ => None,
        }
    }
}
