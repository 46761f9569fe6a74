//! Conversions between [`Stanza`] and the types of `xmpp-parsers`, `minidom` and `tokio-xmpp`.

use minidom::Element;
use rxml::{AttrMap, Namespace, NcName};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::message::Message;
use xmpp_parsers::presence::Presence;
use xso::{AsXml, FromXml, Item};

use super::{
    Address, ChildrenBuilder, IqType, Kind, MessageType, ParseError, PresenceType, RawAddresses,
    Stanza, WriteError,
};
use crate::xml::emit::Emitter;
use crate::xml::{CLIENT, XML, events};

// With the feature `component`, all types of xmpp-parsers are in `jabber:component:accept`, and
// forwarded messages (MAM, carbons) would be parsed and serialized in the wrong namespace.
const _: () = assert!(
    matches!(xmpp_parsers::ns::DEFAULT_NS.as_bytes(), b"jabber:client"),
    "a crate enables the feature `component` of xmpp-parsers, which campanile does not support; \
    find it with: cargo tree -e features -i xmpp-parsers",
);

impl Stanza {
    /// Parses the whole stanza as a message.
    ///
    /// # Errors
    /// Returns an error if it is not a message, or if one of its children is invalid.
    pub fn to_message(&self) -> Result<Message, ParseError> {
        self.parse_as()
    }

    /// Parses the whole stanza as presence.
    ///
    /// # Errors
    /// Returns an error if it is not presence, or if one of its children is invalid.
    pub fn to_presence(&self) -> Result<Presence, ParseError> {
        self.parse_as()
    }

    /// Parses the whole stanza as an IQ.
    ///
    /// # Errors
    /// Returns an error if it is not an IQ, or if one of its children is invalid.
    pub fn to_iq(&self) -> Result<Iq, ParseError> {
        self.parse_as()
    }

    /// Converts the whole stanza into a `minidom` tree.
    ///
    /// # Errors
    /// Does not fail for stanzas that the reader has parsed.
    pub fn to_element(&self) -> Result<Element, ParseError> {
        self.parse_as()
    }

    /// Serializes the stanza as XML without an `xmlns` of its own, for display and logging.
    ///
    /// The namespace is `jabber:client`.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut out = Vec::with_capacity(self.children.as_bytes().len() + 128);
        self.write_to(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    fn parse_as<T: FromXml>(&self) -> Result<T, ParseError> {
        let children = std::str::from_utf8(self.children.as_bytes()).unwrap_or_default();
        Ok(events::parse_stanza(
            self.kind.name(),
            self.attributes()?,
            children,
            self.lang(),
        )?)
    }

    fn attributes(&self) -> Result<AttrMap, ParseError> {
        let mut map = AttrMap::new();
        let mut insert = |name: &str, value: Option<&str>| -> Result<(), xso::error::Error> {
            if let Some(value) = value {
                map.insert(Namespace::NONE, NcName::try_from(name)?, value.to_owned());
            }
            Ok(())
        };
        insert("from", self.from_text())?;
        insert("to", self.to_text())?;
        insert("id", self.id())?;
        insert(
            "type",
            Some(self.kind.type_str()).filter(|kind| !kind.is_empty()),
        )?;
        if let Some(lang) = self.lang() {
            let name = NcName::try_from("lang").map_err(xso::error::Error::from)?;
            map.insert(Namespace::from_str(XML), name, lang.to_owned());
        }
        Ok(map)
    }

    /// Converts a typed stanza: its own element becomes the header, the children are serialized.
    fn from_value<T: AsXml>(value: &T) -> Result<Self, WriteError> {
        let mut parts = Parts::default();
        for item in value
            .as_xml_iter()
            .map_err(|error| WriteError::Value(error.to_string()))?
        {
            parts.item(&item.map_err(|error| WriteError::Value(error.to_string()))?)?;
        }
        parts.finish()
    }
}

impl TryFrom<&Message> for Stanza {
    type Error = WriteError;

    fn try_from(message: &Message) -> Result<Self, WriteError> {
        Self::from_value(message)
    }
}

impl TryFrom<&Presence> for Stanza {
    type Error = WriteError;

    fn try_from(presence: &Presence) -> Result<Self, WriteError> {
        Self::from_value(presence)
    }
}

impl TryFrom<&Iq> for Stanza {
    type Error = WriteError;

    fn try_from(iq: &Iq) -> Result<Self, WriteError> {
        Self::from_value(iq)
    }
}

impl TryFrom<&Element> for Stanza {
    type Error = WriteError;

    fn try_from(element: &Element) -> Result<Self, WriteError> {
        Self::from_value(element)
    }
}

#[cfg(feature = "tokio-xmpp")]
impl TryFrom<&tokio_xmpp::Stanza> for Stanza {
    type Error = WriteError;

    fn try_from(stanza: &tokio_xmpp::Stanza) -> Result<Self, WriteError> {
        match stanza {
            tokio_xmpp::Stanza::Iq(iq) => iq.try_into(),
            tokio_xmpp::Stanza::Message(message) => message.try_into(),
            tokio_xmpp::Stanza::Presence(presence) => presence.try_into(),
        }
    }
}

#[cfg(feature = "tokio-xmpp")]
impl TryFrom<&Stanza> for tokio_xmpp::Stanza {
    type Error = ParseError;

    fn try_from(stanza: &Stanza) -> Result<Self, ParseError> {
        Ok(match stanza.kind {
            Kind::Iq(_) => Self::Iq(stanza.to_iq()?),
            Kind::Message(_) => Self::Message(stanza.to_message()?),
            Kind::Presence(_) => Self::Presence(stanza.to_presence()?),
        })
    }
}

/// The parts of a typed stanza, collected from its XML items.
#[derive(Default)]
struct Parts {
    name: String,
    kind: String,
    stanza: Option<Stanza>,
    raw: RawAddresses,
    children: ChildrenBuilder,
    child: Vec<Item<'static>>,
    depth: usize,
}

impl Parts {
    fn item(&mut self, item: &Item<'_>) -> Result<(), WriteError> {
        match item {
            Item::ElementHeadStart(namespace, name) if self.depth == 0 => {
                self.depth = 1;
                if namespace.as_str() == CLIENT {
                    self.name = name.to_string();
                    self.stanza = Some(Stanza::new(Kind::Message(MessageType::Normal)));
                }
            }
            Item::Attribute(namespace, name, value) if self.depth == 1 => {
                self.attribute(namespace, name, value)?;
            }
            Item::ElementHeadStart(..) => {
                self.depth += 1;
                self.child.push(owned(item));
            }
            Item::ElementFoot => {
                self.depth -= 1;
                if self.depth > 0 {
                    self.child.push(Item::ElementFoot);
                }
                if self.depth == 1 {
                    let items = std::mem::take(&mut self.child);
                    self.children.push_with(|emitter: &mut Emitter<'_>| {
                        items.iter().try_for_each(|item| emitter.item(item))
                    })?;
                }
            }
            _ if self.depth > 1 => self.child.push(owned(item)),
            _ => {}
        }
        Ok(())
    }

    fn attribute(&mut self, namespace: &str, name: &str, value: &str) -> Result<(), WriteError> {
        let Some(stanza) = &mut self.stanza else {
            return Ok(());
        };
        let raw = &mut self.raw;
        // An element may hold addresses that `Jid` cannot, as the stanzas of a stream may.
        let address =
            || Address::try_read(value).map_err(|error| WriteError::Value(error.to_string()));
        match (namespace, name) {
            ("", "id") => stanza.id = Some(value.into()),
            ("", "type") => value.clone_into(&mut self.kind),
            ("", "from") => {
                let address = address()?;
                stanza.from = address.jid;
                raw.from = address.raw;
            }
            ("", "to") => {
                let address = address()?;
                stanza.to = address.jid;
                raw.to = address.raw;
            }
            (XML, "lang") => stanza.lang = Some(value.into()),
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Stanza, WriteError> {
        let wrong = || {
            WriteError::Value(format!(
                "not a stanza: <{}/> of type {:?}",
                self.name, self.kind
            ))
        };
        let kind = match self.name.as_str() {
            "iq" => Kind::Iq(IqType::parse(&self.kind).ok_or_else(wrong)?),
            "message" if self.kind.is_empty() => Kind::Message(MessageType::Normal),
            "message" => Kind::Message(MessageType::parse(&self.kind).ok_or_else(wrong)?),
            "presence" => Kind::Presence(PresenceType::parse(&self.kind).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        };
        let stanza = self
            .stanza
            .ok_or_else(|| WriteError::Value("not a stanza".to_owned()))?;
        Ok(Stanza {
            kind,
            children: self.children.finish(),
            raw: RawAddresses::new(self.raw.from, self.raw.to),
            ..stanza
        })
    }
}

fn owned(item: &Item<'_>) -> Item<'static> {
    match item {
        Item::XmlDeclaration(version) => Item::XmlDeclaration(*version),
        Item::ElementHeadStart(namespace, name) => Item::ElementHeadStart(
            namespace.borrow().into_static(),
            name.clone().into_owned().into(),
        ),
        Item::Attribute(namespace, name, value) => Item::Attribute(
            namespace.borrow().into_static(),
            name.clone().into_owned().into(),
            value.clone().into_owned().into(),
        ),
        Item::ElementHeadEnd => Item::ElementHeadEnd,
        Item::Text(text) => Item::Text(text.clone().into_owned().into()),
        Item::ElementFoot => Item::ElementFoot,
    }
}

#[cfg(test)]
mod tests {
    use jid::Jid;

    use super::*;
    use crate::stanza::Children;

    const MESSAGE: &str = "<message xmlns='jabber:client' type='chat' id='m1' from='a@x/r' \
        to='b@y' xml:lang='en'>\
        <body>a &amp; b</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>";

    #[test]
    fn typed_message_round_trips() {
        let message: Message = xso::from_bytes(MESSAGE.as_bytes()).unwrap();
        let stanza = Stanza::try_from(&message).unwrap();
        assert_eq!(stanza.kind(), Kind::Message(MessageType::Chat));
        // xmpp-parsers stores the language with each body, not with the message.
        assert_eq!((stanza.id(), stanza.lang()), (Some("m1"), None));
        assert_eq!(stanza.children().len(), 2);
        assert_eq!(stanza.to_message().unwrap(), message);
        assert!(stanza.to_presence().is_err());
    }

    #[test]
    fn element_keeps_addresses_that_jid_cannot_hold() {
        let xml = "<message xmlns='jabber:client' from='a@x/\u{1f514}' to='\u{1f514}@y'/>";
        let element: Element = xml.parse().unwrap();
        let stanza = Stanza::try_from(&element).unwrap();
        assert_eq!(stanza.from_text(), Some("a@x/\u{1f514}"));
        assert_eq!(stanza.from().map(Jid::as_str), Some("a@x"));
        assert_eq!(stanza.to_text(), Some("\u{1f514}@y"));
        let again = stanza.to_element().unwrap();
        assert_eq!(again.attr("to"), element.attr("to"));
    }

    #[test]
    fn element_with_an_invalid_address_is_rejected() {
        for address in ["@x", "a@", "a b@x", "\u{1f514}@", "\u{1f514}@a b"] {
            let xml = format!("<message xmlns='jabber:client' from='{address}'/>");
            let element: Element = xml.parse().unwrap();
            assert!(Stanza::try_from(&element).is_err(), "{address}");
        }
    }

    #[test]
    fn element_that_is_not_a_stanza_is_rejected() {
        for xml in [
            "<iq xmlns='jabber:client' type='x'/>",
            "<foo xmlns='jabber:client'/>",
            "<iq xmlns='urn:x'/>",
        ] {
            let element: Element = xml.parse().unwrap();
            assert!(Stanza::try_from(&element).is_err(), "{xml}");
        }
    }

    #[test]
    fn stanza_without_children_has_empty_bytes() {
        assert_eq!(
            Stanza::new(Kind::Presence(PresenceType::Available))
                .children()
                .as_bytes(),
            Children::new().as_bytes()
        );
    }
}
