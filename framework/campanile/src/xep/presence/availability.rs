//! Availability of the component's addresses.

use jid::{BareJid, Jid};
use xmpp_parsers::presence::Show;
use xso::AsXmlText;

use crate::stanza::{Kind, PresenceType, Stanza, WriteError};

/// The availability of an address: online or offline, with an optional status (RFC 6121 §4.7.2).
///
/// ```
/// use campanile::presence::Availability;
/// use campanile::xmpp_parsers::presence::Show;
///
/// let lunch = Availability::online().show(Show::Away).status("Back at two");
/// assert!(lunch.is_online());
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Availability {
    online: bool,
    show: Option<Show>,
    status: Option<String>,
    priority: i8,
}

impl Availability {
    /// Creates an online availability.
    #[must_use]
    pub fn online() -> Self {
        Self {
            online: true,
            ..Self::default()
        }
    }

    /// Creates an offline availability.
    #[must_use]
    pub fn offline() -> Self {
        Self::default()
    }

    /// Sets the kind of availability, such as away or busy. It is sent while online only.
    #[must_use]
    pub fn show(mut self, show: Show) -> Self {
        self.show = Some(show);
        self
    }

    /// Sets the status text, which clients show beside the contact.
    #[must_use]
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = Some(status.into());
        self
    }

    /// Sets the priority. Defaults to 0. It is sent while online only.
    #[must_use]
    pub fn priority(mut self, priority: i8) -> Self {
        self.priority = priority;
        self
    }

    /// Returns `true` if online.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.online
    }

    /// Builds the presence stanza.
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
