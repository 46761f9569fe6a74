//! Filters: the conditions of a route.

use std::fmt;

use xso::fromxml::XmlNameMatcher;

use super::{ChatCommand, RecipientPattern};
use crate::extract::JSON_MESSAGE;
use crate::kinds::Kinds;
use crate::payload::ReadPayload;
use crate::stanza::{IqType, Kind, MessageType, PresenceType};

/// The attribute that holds the datatype of a JSON message.
const DATATYPE: &str = "datatype";

/// The stanzas that a route matches: kinds and types, payload name or chat command, and recipient.
///
/// ```
/// use campanile::router::Filter;
/// use campanile::stanza::{Kind, MessageType};
///
/// let kinds = [
///     Kind::Message(MessageType::Normal),
///     Kind::Message(MessageType::Headline),
/// ];
/// let notification = Filter::kinds(kinds)
///     .payload(("http://jabber.org/protocol/pubsub#event", "event"));
/// assert_eq!(
///     notification.to_string(),
///     "message normal or message headline with \
///      {http://jabber.org/protocol/pubsub#event}event for any recipient",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub(super) kinds: Kinds,
    pub(super) payload: Option<PayloadPattern>,
    pub(super) command: Option<ChatCommand>,
    pub(super) recipient: RecipientPattern,
}

impl Filter {
    /// Matches every stanza.
    #[must_use]
    pub fn any() -> Self {
        Self::kinds(Kinds::all())
    }

    /// Matches these kinds and types.
    #[must_use]
    pub fn kinds(kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self::of(Kinds::new(kinds))
    }

    fn of(kinds: Kinds) -> Self {
        Self {
            kinds,
            payload: None,
            command: None,
            recipient: RecipientPattern::any(),
        }
    }

    /// Matches IQ requests of type `get`.
    #[must_use]
    pub fn iq_get() -> Self {
        Self::kinds([Kind::Iq(IqType::Get)])
    }

    /// Matches IQ requests of type `set`.
    #[must_use]
    pub fn iq_set() -> Self {
        Self::kinds([Kind::Iq(IqType::Set)])
    }

    /// Matches IQ requests of both types.
    #[must_use]
    pub fn iq() -> Self {
        Self::kinds([Kind::Iq(IqType::Get), Kind::Iq(IqType::Set)])
    }

    /// Matches messages of type `chat` and `normal`, the types used in one-to-one conversations.
    #[must_use]
    pub fn conversation() -> Self {
        Self::kinds([
            Kind::Message(MessageType::Chat),
            Kind::Message(MessageType::Normal),
        ])
    }

    /// Matches messages of every type, including `error` and `groupchat`.
    #[must_use]
    pub fn message() -> Self {
        Self::of(Kinds::message())
    }

    /// Matches presence of every type except `error`.
    #[must_use]
    pub fn presence() -> Self {
        Self::of(Kinds::presence())
    }

    /// Matches bounces: messages and presence of type `error`.
    #[must_use]
    pub fn bounced() -> Self {
        Self::kinds([
            Kind::Message(MessageType::Error),
            Kind::Presence(PresenceType::Error),
        ])
    }

    /// Restricts the filter to stanzas with a matching payload: the only child of an IQ, or any
    /// child of a message or presence. Replaces a chat command.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<PayloadPattern>) -> Self {
        self.payload = Some(payload.into());
        self.command = None;
        self
    }

    /// Restricts the filter to messages whose body starts with the words of this command. Replaces
    /// a payload.
    #[must_use]
    pub fn chat_command(mut self, command: ChatCommand) -> Self {
        self.command = Some(command);
        self.payload = None;
        self
    }

    /// Restricts the filter to these recipients.
    #[must_use]
    pub fn to(mut self, recipient: RecipientPattern) -> Self {
        self.recipient = recipient;
        self
    }

    /// Returns `true` if both filters match the same messages, and are equally specific or differ
    /// only in their types.
    pub(super) fn contests(&self, other: &Self) -> bool {
        self.recipient == other.recipient
            && self.payload == other.payload
            && self.command == other.command
            && self.kinds.overlaps(other.kinds)
            && (self.kinds.breadth() == other.kinds.breadth()
                || self.kinds.shares_messages(other.kinds))
    }

    /// Returns `true` if both filters can match the same stanza and neither is more specific.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.recipient == other.recipient
            && self.payload == other.payload
            && self.command == other.command
            && self.kinds.overlaps(other.kinds)
            && self.kinds.breadth() == other.kinds.breadth()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kinds)?;
        if let Some(payload) = &self.payload {
            write!(f, " with {payload}")?;
        }
        if let Some(command) = &self.command {
            write!(f, " with command {command}")?;
        }
        write!(f, " for {}", self.recipient)
    }
}

/// The name of a payload: a namespace, optionally with an element name, and optionally with a node
/// or a datatype.
///
/// Created from `"urn:example:shelf"`, from `("urn:xmpp:ping", "ping")`, or from a type by
/// [`PayloadPattern::of`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadPattern {
    pub(super) namespace: Box<str>,
    /// Empty for any element of the namespace. No element has an empty name.
    pub(super) name: Box<str>,
    pub(super) attribute: Option<Attribute>,
}

/// An attribute that the payload must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) value: Box<str>,
}

impl PayloadPattern {
    /// Matches the elements that `P` can be parsed from.
    ///
    /// # Panics
    /// If `P` accepts elements of any namespace.
    #[must_use]
    #[track_caller]
    pub fn of<P: ReadPayload>() -> Self {
        match P::matcher() {
            XmlNameMatcher::Specific(namespace, name) => (namespace, name).into(),
            XmlNameMatcher::InNamespace(namespace) => namespace.into(),
            XmlNameMatcher::Any => panic!(
                "{} can be parsed from elements of any name",
                std::any::type_name::<P>()
            ),
        }
    }

    /// Matches JSON messages (XEP-0432) of this datatype, a URI. The datatype is advertised in
    /// disco.
    #[must_use]
    pub fn datatype(uri: &str) -> Self {
        Self::from((JSON_MESSAGE, "payload")).attribute(DATATYPE, uri)
    }

    /// Matches only elements whose `node` attribute has this value (XEP-0030, XEP-0050).
    #[must_use]
    pub fn node(self, node: &str) -> Self {
        self.attribute("node", node)
    }

    fn attribute(mut self, name: &'static str, value: &str) -> Self {
        self.attribute = Some(Attribute {
            name,
            value: value.into(),
        });
        self
    }

    /// Returns the disco features of a route for this payload: its namespace and, for a JSON
    /// message, its datatype (XEP-0432 §4).
    pub(super) fn features(&self) -> impl Iterator<Item = String> {
        let datatype = self
            .attribute
            .as_ref()
            .filter(|attribute| attribute.name == DATATYPE);
        let datatype = datatype.map(|attribute| format!("{}#{}", self.namespace, attribute.value));
        std::iter::once(self.namespace.to_string()).chain(datatype)
    }

    /// Returns the precedence level; 0 is the most specific.
    pub(super) fn level(&self) -> u8 {
        let named = !self.name.is_empty();
        match (&self.attribute, named) {
            (Some(_), _) => 0,
            (None, true) => 1,
            (None, false) => 2,
        }
    }
}

impl From<&str> for PayloadPattern {
    fn from(namespace: &str) -> Self {
        (namespace, "").into()
    }
}

impl From<(&str, &str)> for PayloadPattern {
    fn from((namespace, name): (&str, &str)) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            attribute: None,
        }
    }
}

impl fmt::Display for PayloadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() {
            "*"
        } else {
            &self.name
        };
        write!(f, "{{{}}}{name}", self.namespace)?;
        let Some(Attribute { name, value }) = &self.attribute else {
            return Ok(());
        };
        write!(f, " of {name} {value:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_displays_its_conditions() {
        let ping = Filter::iq_get().payload(PayloadPattern::of::<xmpp_parsers::ping::Ping>());
        assert_eq!(
            ping.to_string(),
            "iq get with {urn:xmpp:ping}ping for any recipient"
        );
        let command =
            PayloadPattern::from(("http://jabber.org/protocol/commands", "command")).node("list");
        let command = Filter::iq_set().payload(command).to("bot".parse().unwrap());
        assert_eq!(
            command.to_string(),
            "iq set with {http://jabber.org/protocol/commands}command of node \"list\" for bot@"
        );
        assert_eq!(
            Filter::presence().payload("urn:x").to_string(),
            "any presence with {urn:x}* for any recipient"
        );
        assert_eq!(
            Filter::conversation().to_string(),
            "message normal or message chat for any recipient"
        );
    }
}
