//! Conversions between [`Stanza`] and the types of `xmpp-parsers`, `minidom` and `tokio-xmpp`.

use minidom::Element;
use rxml::{AttrMap, Namespace, NcName};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::message::Message;
use xmpp_parsers::presence::Presence;
use xso::{AsXml, FromXml, Item};

use super::{
    Address, ChildrenBuilder, IqType, Kind, MessageType, ParseError, PresenceType, RawAddresses,
    Stanza, WriteError, typed_message,
};
use crate::xml::emit::EmitError;
use crate::xml::{CLIENT, XML, events, namespace_cache};

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
        typed_message::read(self).map_or_else(|| self.parse_as(), Ok)
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

    pub(super) fn parse_as<T: FromXml>(&self) -> Result<T, ParseError> {
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
                map.insert(
                    namespace_cache::NONE,
                    NcName::try_from(name)?,
                    value.to_owned(),
                );
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
    pub(super) fn from_value<T: AsXml>(value: &T) -> Result<Self, WriteError> {
        let mut items = value.as_xml_iter().map_err(EmitError::Value)?;
        let mut parts = Parts::default();
        while let Some(item) = items.next() {
            parts.item(&item.map_err(EmitError::Value)?, &mut items)?;
        }
        parts.finish()
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

/// The XML items of a typed stanza that are left.
type Items<'i, 'x> = dyn Iterator<Item = Result<Item<'x>, xso::error::Error>> + 'i;

/// The parts of a typed stanza, collected from its XML items.
#[derive(Default)]
struct Parts {
    name: String,
    kind: String,
    stanza: Option<Stanza>,
    raw: RawAddresses,
    children: ChildrenBuilder,
}

impl Parts {
    /// Takes an item of the stanza's own element, or the first one of a child, whose other items it
    /// fetches.
    fn item<'x>(&mut self, item: &Item<'_>, rest: &mut Items<'_, 'x>) -> Result<(), WriteError> {
        match item {
            Item::ElementHeadStart(namespace, name) if self.name.is_empty() => {
                self.name = name.to_string();
                if *namespace == CLIENT {
                    self.stanza = Some(Stanza::new(Kind::Message(MessageType::Normal)));
                }
            }
            Item::ElementHeadStart(..) => self.child(item, rest)?,
            Item::Attribute(namespace, name, value) => self.attribute(namespace, name, value)?,
            _ => {}
        }
        Ok(())
    }

    fn child<'x>(&mut self, start: &Item<'_>, rest: &mut Items<'_, 'x>) -> Result<(), WriteError> {
        self.children.push_with(|emitter| {
            emitter.item(start)?;
            let mut depth = 1;
            while depth > 0 {
                let item = rest.next().ok_or(EmitError::Shape("unclosed element"))?;
                let item = item.map_err(EmitError::Value)?;
                match item {
                    Item::ElementHeadStart(..) => depth += 1,
                    Item::ElementFoot => depth -= 1,
                    _ => {}
                }
                emitter.item(&item)?;
            }
            Ok(())
        })
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
