//! The builder of presence.

use jid::Jid;
use xmpp_parsers::presence::Show;
use xso::AsXml;

use super::Draft;
use crate::stanza::{Kind, PresenceType, Stanza, WriteError};

/// Builds a presence stanza.
///
/// ```
/// use campanile_stanza::jid::Jid;
/// use campanile_stanza::stanza::PresenceBuilder;
/// use xmpp_parsers::presence::Show;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let away = PresenceBuilder::available()
///     .to(Jid::new("alice@example.org")?)
///     .show(Show::Away)
///     .status("Back at two")
///     .build()?;
/// assert_eq!(away.children().len(), 2);
/// # Ok(())
/// # }
/// ```
///
/// To keep the presence of a bot and its subscriptions, use the module `campanile::presence`
/// instead of single stanzas.
#[derive(Debug)]
#[must_use = "a builder does nothing before `build`"]
pub struct PresenceBuilder(Draft);

impl PresenceBuilder {
    /// Starts a presence stanza of any type.
    pub fn new(kind: PresenceType) -> Self {
        Self(Draft::new(Kind::Presence(kind)))
    }

    /// Starts available presence.
    pub fn available() -> Self {
        Self::new(PresenceType::Available)
    }

    /// Starts unavailable presence.
    pub fn unavailable() -> Self {
        Self::new(PresenceType::Unavailable)
    }

    /// Sets the recipient. A component has no roster at its server, so its presence needs one.
    pub fn to(self, to: impl Into<Jid>) -> Self {
        self.header(|stanza| stanza.with_to(to))
    }

    /// Sets the sender. By default, this is the component's own address.
    pub fn from(self, from: impl Into<Jid>) -> Self {
        self.header(|stanza| stanza.with_from(from))
    }

    /// Sets the id.
    pub fn id(self, id: impl AsRef<str>) -> Self {
        self.header(|stanza| stanza.with_id(id))
    }

    /// Sets the language of the status, as an RFC 5646 tag such as `en` or `de-CH`.
    pub fn lang(self, lang: impl AsRef<str>) -> Self {
        self.header(|stanza| stanza.with_lang(lang))
    }

    /// Adds the kind of availability (RFC 6121 §4.7.2.1). Without it, the sender is simply online.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "a constant at nearly every call"
    )]
    pub fn show(self, show: Show) -> Self {
        let text = match show {
            Show::Away => "away",
            Show::Chat => "chat",
            Show::Dnd => "dnd",
            Show::Xa => "xa",
        };
        Self(self.0.text("show", text))
    }

    /// Adds a status, a text that people read next to the name.
    pub fn status(self, text: &str) -> Self {
        Self(self.0.text("status", text))
    }

    /// Adds the priority among the resources of the sender (RFC 6121 §4.7.2.3).
    pub fn priority(self, priority: i8) -> Self {
        Self(self.0.text("priority", &priority.to_string()))
    }

    /// Adds a payload.
    pub fn payload<P: AsXml>(self, payload: &P) -> Self {
        Self(self.0.add(|children| children.push(payload)))
    }

    /// Returns the presence stanza.
    ///
    /// # Errors
    /// Returns [`WriteError::Character`] if the status contains a character that XML 1.0 does not
    /// allow, and another [`WriteError`] if a payload cannot be serialized as XML.
    pub fn build(self) -> Result<Stanza, WriteError> {
        self.0.build()
    }

    fn header(self, change: impl FnOnce(Stanza) -> Stanza) -> Self {
        Self(self.0.header(change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Jid {
        Jid::new("alice@example.org").unwrap()
    }

    #[test]
    fn presence_has_its_elements_in_order() {
        let stanza = PresenceBuilder::available()
            .to(alice())
            .show(Show::Xa)
            .status("asleep")
            .priority(-1)
            .build()
            .unwrap();
        assert_eq!(stanza.kind(), Kind::Presence(PresenceType::Available));
        assert_eq!(
            std::str::from_utf8(stanza.children().as_bytes()).unwrap(),
            "<show>xa</show><status>asleep</status><priority>-1</priority>"
        );
    }
}
