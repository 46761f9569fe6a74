//! Start tags of the two outer levels: stream headers and stanza headers.

use std::fmt;

use compact_str::CompactString;
use jid::Jid;

use super::Event;
use super::jid_cache::JidCache;
use super::tag::{Role, Tag};
use crate::stanza::{
    Address, Children, IqType, Kind, MessageType, PresenceType, RawAddresses, Stanza,
};

/// The header of a stream (RFC 6120 §4.7), as sent by the peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamHeader {
    /// The stream id. It is empty in the header that Prosody sends before an early stream error.
    pub id: String,
    /// The address that the peer claims for itself.
    pub from: Option<String>,
    /// The address that the peer wants to connect to.
    pub to: Option<String>,
    /// The content namespace, such as `jabber:component:accept`.
    pub namespace: String,
}

/// The header of a stanza, which is the attributes of its start tag, before validation.
#[derive(Debug, Clone, Default)]
pub(crate) struct StanzaHeader {
    pub(crate) name: CompactString,
    pub(crate) kind: CompactString,
    pub(crate) id: Option<CompactString>,
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) lang: Option<CompactString>,
}

/// The reason why a well-formed stanza was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StanzaDefect {
    /// The stanza exceeds [`ReaderLimits::max_stanza`](super::ReaderLimits::max_stanza).
    TooLarge,
    /// The stanza exceeds [`ReaderLimits::max_depth`](super::ReaderLimits::max_depth), or the
    /// limit on attributes or on namespace declarations.
    TooDeep,
    /// An IQ or presence stanza with an unknown type.
    UnknownType,
    /// An IQ without an id (RFC 6120 §8.2.3).
    MissingId,
    /// An IQ get or set without exactly one payload (RFC 6120 §8.2.3).
    PayloadCount,
}

/// A well-formed stanza that breaks a rule of RFC 6120 or exceeds the limits.
///
/// Its header is available, so that an IQ request can be answered with an error. Its children have
/// been discarded.
#[derive(Debug, Clone)]
pub struct RejectedStanza {
    pub(crate) header: StanzaHeader,
    pub(crate) defect: StanzaDefect,
}

impl RejectedStanza {
    /// Returns the reason why the stanza was rejected.
    #[must_use]
    pub fn defect(&self) -> StanzaDefect {
        self.defect
    }

    /// Returns the sender, if it is a valid JID.
    #[must_use]
    pub fn from(&self) -> Option<&Jid> {
        self.header.from.jid.as_ref()
    }

    /// Returns the recipient, if it is a valid JID.
    #[must_use]
    pub fn to(&self) -> Option<&Jid> {
        self.header.to.jid.as_ref()
    }

    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.header.id.as_deref()
    }

    /// Returns the name of the element: `iq`, `message` or `presence`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.header.name
    }

    /// Returns the value of the attribute `type` as it was sent; empty if there is none.
    #[must_use]
    pub fn type_attribute(&self) -> &str {
        &self.header.kind
    }

    /// Returns the nearest valid stanza without children: a request of unknown type becomes a get,
    /// a response becomes a result, a message or presence of unknown type becomes a plain one.
    ///
    /// It carries the addresses, the id and the language, so that the sender can be answered.
    #[must_use]
    pub fn to_stanza(&self) -> Stanza {
        let header = self.header.clone();
        let kind = match (header.name.as_str(), header.kind.as_str()) {
            // RFC 6120 §8.2.3: these are responses, even when they cannot be read.
            ("iq", "result" | "error") => Kind::Iq(IqType::Result),
            ("iq", "set") => Kind::Iq(IqType::Set),
            ("iq", _) => Kind::Iq(IqType::Get),
            ("message", kind) => {
                Kind::Message(MessageType::parse(kind).unwrap_or(MessageType::Normal))
            }
            (_, kind) => {
                Kind::Presence(PresenceType::parse(kind).unwrap_or(PresenceType::Available))
            }
        };
        Stanza {
            id: header.id,
            from: header.from.jid,
            to: header.to.jid,
            lang: header.lang,
            raw: RawAddresses::new(header.from.raw, header.to.raw),
            ..Stanza::new(kind)
        }
    }
}

impl fmt::Display for StanzaDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "larger than the size limit",
            Self::TooDeep => "nested too deeply, or too many attributes or namespaces",
            Self::UnknownType => "unknown type",
            Self::MissingId => "IQ without id",
            Self::PayloadCount => "IQ request without exactly one payload",
        })
    }
}

impl StreamHeader {
    pub(super) fn read(tag: &Tag, bytes: &[u8], namespace: &[u8]) -> Self {
        let mut header = Self {
            namespace: String::from_utf8_lossy(namespace).into_owned(),
            ..Self::default()
        };
        for attribute in tag
            .attributes
            .iter()
            .filter(|attribute| attribute.role == Role::Plain)
        {
            let value = || attribute.value(bytes).into_owned();
            match attribute.name.all(bytes) {
                b"id" => header.id = value(),
                b"from" => header.from = Some(value()),
                b"to" => header.to = Some(value()),
                _ => {}
            }
        }
        header
    }
}

impl StanzaHeader {
    pub(super) fn read(tag: &Tag, bytes: &[u8], jids: &mut JidCache) -> Self {
        let name = std::str::from_utf8(tag.name.local(bytes)).unwrap_or_default();
        let mut header = Self {
            name: name.into(),
            ..Self::default()
        };
        for attribute in &tag.attributes {
            let value = || attribute.value(bytes);
            match attribute.name.all(bytes) {
                b"from" => header.from = jids.read(&value()),
                b"to" => header.to = jids.read(&value()),
                b"id" => {
                    header.id = Some(value().into()).filter(|id: &CompactString| !id.is_empty());
                }
                b"type" => header.kind = value().into(),
                b"xml:lang" => header.lang = Some(value().into()),
                _ => {}
            }
        }
        header
    }

    pub(super) fn into_event(self, children: Children) -> Event {
        let kind = match self.kind(&children) {
            Ok(kind) => kind,
            Err(defect) => {
                return Event::Rejected(RejectedStanza {
                    header: self,
                    defect,
                });
            }
        };
        let Self {
            id, from, to, lang, ..
        } = self;
        Event::Stanza(Stanza {
            kind,
            id,
            from: from.jid,
            to: to.jid,
            lang,
            children,
            raw: RawAddresses::new(from.raw, to.raw),
        })
    }

    fn kind(&self, children: &Children) -> Result<Kind, StanzaDefect> {
        match self.name.as_str() {
            "iq" => {
                let kind = IqType::parse(&self.kind).ok_or(StanzaDefect::UnknownType)?;
                if self.id.is_none() {
                    return Err(StanzaDefect::MissingId);
                }
                let request = matches!(kind, IqType::Get | IqType::Set);
                if request && children.len() != 1 {
                    return Err(StanzaDefect::PayloadCount);
                }
                Ok(Kind::Iq(kind))
            }
            // RFC 6121 §5.2.2: an unknown type is treated as `normal`.
            "message" => Ok(Kind::Message(
                MessageType::parse(&self.kind).unwrap_or(MessageType::Normal),
            )),
            _ => PresenceType::parse(&self.kind)
                .map(Kind::Presence)
                .ok_or(StanzaDefect::UnknownType),
        }
    }
}
