//! Start tags of the two outer levels: the stream header and the head of a stanza.

use std::fmt;

use compact_str::CompactString;
use jid::Jid;

use super::Event;
use super::tag::{Role, Tag};
use crate::stanza::{Children, IqType, Kind, MessageType, PresenceType, Stanza};

/// The header of a stream (RFC 6120 §4.7), as the peer wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamHeader {
    /// The stream's id; empty in the header that Prosody sends along with an early error.
    pub id: String,
    /// The peer's idea of who it is.
    pub from: Option<String>,
    /// Whom the peer wants to talk to.
    pub to: Option<String>,
    /// The content namespace.
    pub namespace: String,
}

/// What a stanza's own tag says, whether or not a stanza comes of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct StanzaHeader {
    pub(crate) name: CompactString,
    pub(crate) kind: CompactString,
    pub(crate) id: Option<CompactString>,
    pub(crate) from: Option<Jid>,
    pub(crate) to: Option<Jid>,
    pub(crate) lang: Option<CompactString>,
}

/// Why a well-formed stanza does not reach a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StanzaDefect {
    /// Larger than `max_stanza_in`.
    TooLarge,
    /// Deeper than the bound on depth, or more attributes or namespaces than fit.
    TooDeep,
    /// An IQ or presence of a type that does not exist.
    UnknownType,
    /// An IQ without id (RFC 6120 §8.2.3).
    MissingId,
    /// An IQ get or set without exactly one payload (RFC 6120 §8.2.3).
    PayloadCount,
}

/// A well-formed stanza that is none of those that RFC 6120 allows, or too large: its head, and
/// why.
#[derive(Debug, Clone)]
pub struct RejectedStanza {
    pub(crate) header: StanzaHeader,
    pub(crate) defect: StanzaDefect,
}

impl RejectedStanza {
    /// Returns the reason for the rejection.
    #[must_use]
    pub fn defect(&self) -> StanzaDefect {
        self.defect
    }

    /// The sender, where it is a JID.
    #[must_use]
    pub fn from(&self) -> Option<&Jid> {
        self.header.from.as_ref()
    }

    /// The recipient, where it is a JID.
    #[must_use]
    pub fn to(&self) -> Option<&Jid> {
        self.header.to.as_ref()
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.header.id.as_deref()
    }

    /// `iq`, `message` or `presence`.
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
            from: header.from,
            to: header.to,
            lang: header.lang,
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
    pub(super) fn read(tag: &Tag, bytes: &[u8]) -> Self {
        let name = std::str::from_utf8(tag.name.local(bytes)).unwrap_or_default();
        let mut head = Self {
            name: name.into(),
            ..Self::default()
        };
        for attribute in &tag.attributes {
            let value = || attribute.value(bytes);
            match attribute.name.all(bytes) {
                // An address that is no JID counts as missing: whoever wrote it cannot be answered.
                b"from" => head.from = Jid::new(&value()).ok(),
                b"to" => head.to = Jid::new(&value()).ok(),
                b"id" => head.id = Some(value().into()).filter(|id: &CompactString| !id.is_empty()),
                b"type" => head.kind = value().into(),
                b"xml:lang" => head.lang = Some(value().into()),
                _ => {}
            }
        }
        head
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
            from,
            to,
            lang,
            children,
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
            // RFC 6121 §5.2.2: an unknown type is to be taken as `normal`.
            "message" => Ok(Kind::Message(
                MessageType::parse(&self.kind).unwrap_or(MessageType::Normal),
            )),
            _ => PresenceType::parse(&self.kind)
                .map(Kind::Presence)
                .ok_or(StanzaDefect::UnknownType),
        }
    }
}
