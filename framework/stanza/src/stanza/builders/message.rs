//! The builder of messages.

use jid::Jid;
use xso::AsXml;

use super::Draft;
use crate::stanza::{Kind, MessageType, Stanza, WriteError};

/// Builds a message.
///
/// Texts and payloads are checked as they are added; [`build`](Self::build) returns the first
/// error.
///
/// ```
/// use campanile_stanza::jid::Jid;
/// use campanile_stanza::stanza::MessageBuilder;
/// use xmpp_parsers::receipts::Request;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let message = MessageBuilder::chat(Jid::new("alice@example.org")?)
///     .id("m1")
///     .lang("en")
///     .subject("Invoice")
///     .body("Your invoice is ready.")
///     .payload(&Request)
///     .build()?;
/// assert_eq!(message.children().len(), 3);
/// # Ok(())
/// # }
/// ```
///
/// For a message with a body only, [`Stanza::chat`] is shorter.
#[derive(Debug)]
#[must_use = "a builder does nothing before `build`"]
pub struct MessageBuilder(Draft);

impl MessageBuilder {
    /// Starts a message of any type.
    pub fn new(kind: MessageType, to: impl Into<Jid>) -> Self {
        Self(Draft::new(Kind::Message(kind))).header(|stanza| stanza.with_to(to))
    }

    /// Starts a single message outside of a conversation.
    pub fn normal(to: impl Into<Jid>) -> Self {
        Self::new(MessageType::Normal, to)
    }

    /// Starts a message of a one-to-one conversation.
    pub fn chat(to: impl Into<Jid>) -> Self {
        Self::new(MessageType::Chat, to)
    }

    /// Starts a message to a multi-user chat room.
    pub fn groupchat(room: impl Into<Jid>) -> Self {
        Self::new(MessageType::Groupchat, room)
    }

    /// Starts a notification to which no reply is expected.
    pub fn headline(to: impl Into<Jid>) -> Self {
        Self::new(MessageType::Headline, to)
    }

    /// Sets the sender. By default, this is the component's own address.
    pub fn from(self, from: impl Into<Jid>) -> Self {
        self.header(|stanza| stanza.with_from(from))
    }

    /// Sets the id. By default, the component generates one.
    pub fn id(self, id: impl AsRef<str>) -> Self {
        self.header(|stanza| stanza.with_id(id))
    }

    /// Sets the language of the texts, as an RFC 5646 tag such as `en` or `de-CH`.
    pub fn lang(self, lang: impl AsRef<str>) -> Self {
        self.header(|stanza| stanza.with_lang(lang))
    }

    /// Adds a subject. Clients show it as a heading; in a room, a message with a subject and
    /// without a body changes the room's topic.
    pub fn subject(self, text: &str) -> Self {
        Self(self.0.text("subject", text))
    }

    /// Adds a body, the text that people read.
    pub fn body(self, text: &str) -> Self {
        Self(self.0.text("body", text))
    }

    /// Adds the id of the thread that the message belongs to (RFC 6121 §5.2.5).
    pub fn thread(self, id: &str) -> Self {
        Self(self.0.text("thread", id))
    }

    /// Adds a payload.
    pub fn payload<P: AsXml>(self, payload: &P) -> Self {
        Self(self.0.add(|children| children.push(payload)))
    }

    /// Returns the message.
    ///
    /// # Errors
    /// Returns [`WriteError::Character`] if a text contains a character that XML 1.0 does not
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
    fn message_has_header_texts_and_payload_in_order() {
        let message = MessageBuilder::groupchat(alice())
            .from(Jid::new("bot@example.net").unwrap())
            .id("m1")
            .lang("de")
            .subject("Topic")
            .body("a < b")
            .thread("t1")
            .payload(&xmpp_parsers::receipts::Request)
            .build()
            .unwrap();
        assert_eq!(message.kind(), Kind::Message(MessageType::Groupchat));
        assert_eq!(message.id(), Some("m1"));
        assert_eq!(message.lang(), Some("de"));
        assert_eq!(message.to(), Some(&alice()));
        assert_eq!(
            std::str::from_utf8(message.children().as_bytes()).unwrap(),
            "<subject>Topic</subject><body>a &lt; b</body><thread>t1</thread>\
             <request xmlns='urn:xmpp:receipts'/>"
        );
    }

    #[test]
    fn build_returns_the_first_error() {
        let built = MessageBuilder::chat(alice())
            .body("\u{1}")
            .subject("\u{2}")
            .build();
        assert!(matches!(built, Err(WriteError::Character('\u{1}'))));
    }
}
