//! What an address of ours says about itself.

use jid::{BareJid, Jid};
use xmpp_parsers::presence::Show;
use xso::AsXmlText;

use crate::stanza::{Kind, PresenceType, Stanza, WriteError};

/// What an address of ours says about itself (RFC 6121 §4.7.2).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Availability {
    online: bool,
    show: Option<Show>,
    status: Option<String>,
    priority: i8,
}

impl Availability {
    /// There, and nothing more to say.
    #[must_use]
    pub fn online() -> Self {
        Self {
            online: true,
            ..Self::default()
        }
    }

    /// Not there.
    #[must_use]
    pub fn offline() -> Self {
        Self::default()
    }

    /// Says how it is there, or how it is away.
    #[must_use]
    pub fn show(mut self, show: Show) -> Self {
        self.show = Some(show);
        self
    }

    /// Says something to people.
    #[must_use]
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = Some(status.into());
        self
    }

    /// Sets the priority.
    #[must_use]
    pub fn priority(mut self, priority: i8) -> Self {
        self.priority = priority;
        self
    }

    /// Whether it is there.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.online
    }

    /// The stanza that says so.
    pub(super) fn stanza(&self, own: &BareJid, peer: &Jid) -> Result<Stanza, WriteError> {
        let kind = if self.online {
            PresenceType::Available
        } else {
            PresenceType::Unavailable
        };
        let mut stanza = Stanza::new(Kind::Presence(kind))
            .with_from(own.clone())
            .with_to(peer.clone());
        if let Some(show) = self.show.as_ref().filter(|_| self.online) {
            let text = show
                .as_xml_text()
                .map_err(|error| WriteError::Value(error.to_string()))?;
            stanza = stanza.with_text("show", &text)?;
        }
        if let Some(status) = &self.status {
            stanza = stanza.with_text("status", status)?;
        }
        if self.online && self.priority != 0 {
            stanza = stanza.with_text("priority", &self.priority.to_string())?;
        }
        Ok(stanza)
    }
}
