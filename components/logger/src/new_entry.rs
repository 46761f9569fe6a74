//! Stanzas prepared for the archive.

use campanile::jid::{BareJid, Jid};
use campanile::stanza::{Child, Children, Kind, MessageType, Stanza};

use crate::quota::Quota;
use crate::tokenizer::{self, WordSet};

/// Namespace of XEP-0359.
pub(crate) const SID: &str = "urn:xmpp:sid:0";
/// Namespace of XEP-0334.
pub(crate) const HINTS: &str = "urn:xmpp:hints";

/// The kind of an entry, which queries can filter by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// A message of type chat, normal or headline.
    Message,
    /// A message in a room.
    Groupchat,
    /// Presence.
    Presence,
    /// An IQ request.
    Iq,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 4] = [Self::Message, Self::Groupchat, Self::Presence, Self::Iq];

    /// Returns the class under which a kind of stanza is stored.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Message(MessageType::Groupchat) => Self::Groupchat,
            Kind::Message(_) => Self::Message,
            Kind::Presence(_) => Self::Presence,
            Kind::Iq(_) => Self::Iq,
        }
    }

    /// Returns the class that is stored as this number.
    pub(crate) fn of_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|class| *class as i64 == number)
    }

    /// Returns the name used in exports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Groupchat => "groupchat",
            Self::Presence => "presence",
            Self::Iq => "iq",
        }
    }
}

/// An entry to be stored. Owns its data and keeps none of the stanza's buffers alive.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Bare address of the archive.
    pub(crate) archive: Box<str>,
    /// Bare address of the sender.
    pub(crate) from: Box<str>,
    /// Bare address of the recipient; `None` where that is the archive.
    pub(crate) to: Option<Box<str>>,
    pub(crate) class: Class,
    /// The stanza as received, in `jabber:client`.
    pub(crate) stanza: Vec<u8>,
    pub(crate) words: String,
    pub(crate) payloads: Vec<u64>,
    /// Microseconds since 1970; `None` for the time of the commit.
    pub(crate) time: Option<i64>,
    /// The quotas of its sender and of the sender's domain.
    pub(crate) quota: Quota,
    /// The ID of the entry in the store that it was exported from.
    pub(crate) id: Option<Box<str>>,
}

impl NewEntry {
    /// Prepares a stanza for an archive. Returns `None` if it has no sender or no recipient.
    #[must_use]
    pub fn new(archive: &BareJid, stanza: &Stanza) -> Option<Self> {
        let from = bare(stanza.from()?);
        let to = bare(stanza.to()?);
        let Index { words, payloads } = Index::of(stanza);
        Some(Self {
            archive: archive.as_str().into(),
            from: from.into(),
            to: Some(to).filter(|to| *to != archive.as_str()).map(Box::from),
            class: Class::of(stanza.kind()),
            stanza: as_received(stanza, archive),
            words,
            payloads,
            time: None,
            quota: Quota::default(),
            id: None,
        })
    }

    /// Sets the time of the entry, in microseconds since 1970.
    #[must_use]
    pub fn with_time(self, time: i64) -> Self {
        Self {
            time: Some(time),
            ..self
        }
    }

    /// Sets the quotas: the entry is rejected if its sender or their domain would exceed them.
    #[must_use]
    pub fn with_quota(self, quota: Quota) -> Self {
        Self { quota, ..self }
    }

    /// Sets the ID that the entry has in another store.
    #[must_use]
    pub fn with_id(self, id: &str) -> Self {
        Self {
            id: Some(id.into()),
            ..self
        }
    }

    /// The approximate memory use in bytes.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>()
            + self.stanza.len()
            + self.words.len()
            + self.from.len()
            + self.archive.len()
    }
}

/// The searchable content of an entry, besides its addresses.
///
/// Erasing removes exactly these terms from the index: a change here needs a new schema version.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) words: String,
    pub(crate) payloads: Vec<u64>,
}

impl Index {
    pub(crate) fn of(stanza: &Stanza) -> Self {
        Self::with(stanza, WordSet::add)
    }

    /// Returns the content as indexed by schema version 2.
    pub(crate) fn version_2(stanza: &Stanza) -> Self {
        Self::with(stanza, WordSet::add_version_2)
    }

    fn with(stanza: &Stanza, add: fn(&mut WordSet, &str)) -> Self {
        let mut words = WordSet::default();
        let mut payloads = Vec::new();
        for child in stanza.children().iter() {
            match Part::of(&child) {
                Part::Text => add(&mut words, &child.text()),
                Part::Payload(payload) => {
                    add(&mut words, &crate::xml::character_data(child.as_str()));
                    payloads.push(payload);
                }
                Part::Note => {}
            }
        }
        payloads.sort_unstable();
        payloads.dedup();
        Self {
            words: words.finish(),
            payloads,
        }
    }
}

/// The indexing rule for a child element of a stanza.
enum Part {
    Text,
    Payload(u64),
    /// Metadata, such as receipts, hints and what servers add: not indexed.
    Note,
}

impl Part {
    fn of(child: &Child<'_>) -> Self {
        match (&*child.namespace(), child.name()) {
            ("jabber:client", "body" | "subject" | "status") => Self::Text,
            (
                "jabber:client"
                | "http://jabber.org/protocol/chatstates"
                | "urn:xmpp:receipts"
                | "urn:xmpp:chat-markers:0"
                | "urn:xmpp:delay"
                | HINTS
                | SID,
                _,
            ) => Self::Note,
            (namespace, name) => Self::Payload(payload(namespace, name)),
        }
    }
}

/// Returns `true` for a message without content: a typing notification, a receipt or a marker.
pub(crate) fn is_signal(stanza: &Stanza) -> bool {
    let children = stanza.children();
    let mut parts = children.iter().map(|child| Part::of(&child));
    children.first().is_some() && parts.all(|part| matches!(part, Part::Note))
}

/// Returns `true` if one of the indexed texts of a stanza contains a phrase. The index has no word
/// order, so this reads the stanza.
pub(crate) fn contains_phrase(stanza: &Stanza, phrase: &[String]) -> bool {
    stanza
        .children()
        .iter()
        .any(|child| match Part::of(&child) {
            Part::Text => tokenizer::contains_phrase(&child.text(), phrase),
            Part::Payload(_) => {
                tokenizer::contains_phrase(&crate::xml::character_data(child.as_str()), phrase)
            }
            Part::Note => false,
        })
}

/// The hash of a payload's name in the index (FNV-1a, which is stable across versions and
/// machines).
pub(crate) fn payload(namespace: &str, name: &str) -> u64 {
    let bytes = namespace.bytes().chain([0]).chain(name.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The stanza without `<stanza-id/>` elements that claim to be this archive's (XEP-0359 §4).
fn as_received(stanza: &Stanza, archive: &BareJid) -> Vec<u8> {
    let forged = |child: &Child<'_>| {
        child.is(SID, "stanza-id")
            && child
                .attribute("by")
                .and_then(|by| Jid::new(&by).ok())
                .is_none_or(|by| by.to_bare() == *archive)
    };
    if !stanza.children().iter().any(|child| forged(&child)) {
        return stanza.to_xml().into_bytes();
    }
    let kept: String = stanza
        .children()
        .iter()
        .filter(|child| !forged(child))
        .map(|child| child.as_str())
        .collect();
    let head = stanza.clone().with_children(Children::new()).to_xml();
    match head.strip_suffix("/>") {
        Some(head) if !kept.is_empty() => {
            format!("{head}>{kept}</{}>", stanza.kind().name()).into_bytes()
        }
        _ => head.into_bytes(),
    }
}

/// Returns the bare form of a JID without allocating.
pub(crate) fn bare(jid: &Jid) -> &str {
    let resource = jid
        .resource()
        .map_or(0, |resource| resource.as_str().len() + 1);
    let text = jid.as_str();
    &text[..text.len() - resource]
}

/// Returns the domain of a bare JID.
pub(crate) fn domain(bare: &str) -> &str {
    bare.split_once('@').map_or(bare, |(_, domain)| domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_entry(xml: &str) -> NewEntry {
        NewEntry::new(
            &BareJid::new("logger.example.org").unwrap(),
            &crate::xml::stanza(xml.as_bytes()).unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn forged_stanza_ids_are_removed() {
        let kept = "<body>x</body><stanza-id xmlns='urn:xmpp:sid:0' by='room@x' id='1'/>";
        let forged = "<stanza-id xmlns='urn:xmpp:sid:0' by='LOGGER.example.org' id='2'/>";
        let message = |children: &str| {
            format!("<message from='a@x/r' to='logger.example.org'>{children}</message>")
        };
        let stored = new_entry(&message(&format!("{forged}{kept}"))).stanza;
        let wanted = message(kept).replace(
            "<message from='a@x/r' to='logger.example.org'>",
            "<message from='a@x/r' to='logger.example.org' type='normal'>",
        );
        assert_eq!(String::from_utf8(stored).unwrap(), wanted);
        let stored = String::from_utf8(new_entry(&message(forged)).stanza).unwrap();
        assert_eq!(
            stored,
            "<message from='a@x/r' to='logger.example.org' type='normal'/>"
        );
    }

    #[test]
    fn entry_indexes_subject_body_and_payload() {
        let new_entry = new_entry(
            "<message from='a@x/r' to='audit@logger.example.org' \
            type='headline'><subject>Bell</subject><body>rings</body>\
             <json xmlns='urn:xmpp:json:0'>{&quot;note&quot;:&quot;twice&quot;}</json><request \
             xmlns='urn:xmpp:receipts'/></message>",
        );
        assert_eq!(new_entry.words, "bell rings note twice");
        assert_eq!(new_entry.payloads, [payload("urn:xmpp:json:0", "json")]);
        assert_eq!(
            (new_entry.class, &*new_entry.from, new_entry.to.as_deref()),
            (Class::Message, "a@x", Some("audit@logger.example.org"))
        );
        let stored = crate::xml::stanza(&new_entry.stanza).unwrap();
        assert_eq!(
            Index::of(&stored),
            Index {
                words: new_entry.words,
                payloads: new_entry.payloads
            }
        );
    }
}
