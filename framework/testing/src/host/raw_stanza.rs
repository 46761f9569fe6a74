//! Stanzas sent by virtual users: valid ones, and XML that is not a valid stanza but must still
//! reach a component.

use compact_str::CompactString;
use jid::Jid;

use super::UserError;
use campanile::stanza::{Kind, PresenceType, Stanza};
use campanile_stanza::reader::{Event, read_element};
use campanile_stanza::xml;

/// A stanza together with its raw XML, if that is not a valid stanza.
#[derive(Debug)]
pub struct RawStanza {
    pub(crate) stanza: Stanza,
    /// Well-formed XML that RFC 6120 does not allow as a stanza; `stanza` is then a placeholder.
    xml: Option<String>,
}

/// A value that a [`User`](super::User) can send: a [`Stanza`], or XML as text.
///
/// XML must be one well-formed stanza element that declares the prefixes it uses. The default
/// namespace is inherited, so `<body>` needs no declaration. Stanzas that RFC 6120 does not allow
/// (`type='weird'`, an IQ without id) are sent unchanged, because clients send such stanzas.
pub trait IntoRawStanza: sealed::Sealed {
    /// Converts the value into a stanza.
    ///
    /// # Errors
    /// Returns [`UserError::Xml`] if the text is not a single stanza element.
    fn into_raw_stanza(self) -> Result<RawStanza, UserError>;
}

impl From<Stanza> for RawStanza {
    fn from(stanza: Stanza) -> Self {
        Self { stanza, xml: None }
    }
}

impl IntoRawStanza for Stanza {
    fn into_raw_stanza(self) -> Result<RawStanza, UserError> {
        Ok(self.into())
    }
}

impl IntoRawStanza for &Stanza {
    fn into_raw_stanza(self) -> Result<RawStanza, UserError> {
        self.clone().into_raw_stanza()
    }
}

impl IntoRawStanza for &str {
    fn into_raw_stanza(self) -> Result<RawStanza, UserError> {
        RawStanza::read(self.trim())
    }
}

impl IntoRawStanza for &String {
    fn into_raw_stanza(self) -> Result<RawStanza, UserError> {
        self.as_str().into_raw_stanza()
    }
}

impl IntoRawStanza for String {
    fn into_raw_stanza(self) -> Result<RawStanza, UserError> {
        self.as_str().into_raw_stanza()
    }
}

impl RawStanza {
    fn read(xml: &str) -> Result<Self, UserError> {
        match read_element(xml).map_err(|error| UserError::Xml(error.to_string()))? {
            Event::Stanza(stanza) => stanza.into_raw_stanza(),
            Event::Rejected(refused) => Ok(Self {
                stanza: refused.to_stanza(),
                xml: Some(xml.to_owned()),
            }),
            _ => Err(UserError::Xml("not an iq, message or presence".to_owned())),
        }
    }

    /// Parses a valid stanza, for assertions. An IQ may lack its id.
    pub(crate) fn plain(xml: &str) -> Result<Stanza, UserError> {
        let mut raw = Self::read(xml.trim())?;
        let nameless = raw.stanza.id().is_none();
        raw.identify(|| CompactString::const_new("any"))?;
        if raw.xml.is_some() {
            return Err(UserError::Xml("not allowed by RFC 6120".to_owned()));
        }
        if nameless {
            raw.stanza.set_id(None);
        }
        Ok(raw.stanza)
    }

    /// Stamps the sender's address on the stanza, as a server does (RFC 6120 §8.1.2.1).
    pub(super) fn stamp(&mut self, sender: &Jid) -> Result<(), UserError> {
        let bare: Jid = sender.to_bare().into();
        match self.stanza.from() {
            Some(from) if from == sender || *from == bare => return Ok(()),
            Some(from) => return Err(UserError::Sender(from.clone())),
            None => {}
        }
        // RFC 6121 §3.1.2: subscriptions are between bare JIDs.
        let subscription = matches!(
            self.stanza.kind(),
            Kind::Presence(
                PresenceType::Subscribe
                    | PresenceType::Subscribed
                    | PresenceType::Unsubscribe
                    | PresenceType::Unsubscribed
            )
        );
        let from = if subscription { bare } else { sender.clone() };
        if let Some(raw) = &mut self.xml {
            *raw = with_attribute(raw, self.stanza.kind(), "from", from.as_str());
        }
        self.stanza.set_from(Some(from));
        Ok(())
    }

    /// Adds an id if there is none.
    pub(super) fn identify(&mut self, id: impl FnOnce() -> CompactString) -> Result<(), UserError> {
        if self.stanza.id().is_some() {
            return Ok(());
        }
        let id = id();
        match self.xml.take() {
            None => self.stanza.set_id(Some(&id)),
            // The stanza may be valid now.
            Some(xml) => *self = Self::read(&with_attribute(&xml, self.stanza.kind(), "id", &id))?,
        }
        Ok(())
    }

    /// Returns the bytes of the stanza on a component's stream.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match &self.xml {
            Some(raw) => raw.clone().into_bytes(),
            None => encode(&self.stanza),
        }
    }
}

/// Returns the XML with an attribute added to its root element.
fn with_attribute(text: &str, kind: Kind, name: &str, value: &str) -> String {
    let mut escaped = Vec::new();
    xml::push_attribute(&mut escaped, value);
    let (start, rest) = text.split_at(1 + kind.name().len());
    format!(
        "{start} {name}='{}'{rest}",
        String::from_utf8_lossy(&escaped)
    )
}

pub(super) fn encode(stanza: &Stanza) -> Vec<u8> {
    let mut bytes = Vec::new();
    stanza.write_to(&mut bytes);
    bytes
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for campanile::stanza::Stanza {}
    impl Sealed for &campanile::stanza::Stanza {}
    impl Sealed for &str {}
    impl Sealed for String {}
    impl Sealed for &String {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(xml: &str) -> Result<String, UserError> {
        let mut raw = xml.into_raw_stanza()?;
        raw.stamp(&Jid::new("alice@localhost/o'neill").unwrap())?;
        Ok(String::from_utf8(raw.bytes()).unwrap())
    }

    #[test]
    fn sender_address_is_stamped() {
        assert_eq!(
            sent("<message to='b.x'><body>hi</body></message>").unwrap(),
            "<message from='alice@localhost/o&apos;neill' to='b.x' \
            type='normal'><body>hi</body></message>"
        );
        assert_eq!(
            sent("<iq type='weird' to='b.x' id='1'><x xmlns='urn:x'/></iq>").unwrap(),
            "<iq from='alice@localhost/o&apos;neill' type='weird' to='b.x' id='1'><x \
            xmlns='urn:x'/></iq>"
        );
        assert_eq!(
            sent("<presence type='subscribe' to='b.x'/>").unwrap(),
            "<presence from='alice@localhost' to='b.x' type='subscribe'/>"
        );
    }

    #[test]
    fn invalid_xml_is_rejected() {
        for xml in [
            "",
            "hi",
            "<message>",
            "<message/><message/>",
            "<message/> x",
            "<foo/>",
            "</message>",
            "<!-- -->",
        ] {
            assert!(matches!(sent(xml), Err(UserError::Xml(_))), "{xml}");
        }
        assert!(matches!(
            sent("<message from='bob@localhost'/>"),
            Err(UserError::Sender(_))
        ));
        assert!(sent("<message from='alice@localhost' to='b.x'/>").is_ok());
    }
}
