//! Stanzas: what a component receives and sends.

mod children;
mod convert;
mod error;
mod kind;

use compact_str::CompactString;
use jid::Jid;
use xso::{AsXml, FromXml};

pub use self::children::{Child, Children, ChildrenBuilder};
pub(crate) use self::children::{ChildSpan, ChildSpans, NamespaceSource};
pub use self::error::{ParseError, WriteError};
pub use self::kind::{IqType, Kind, MessageType, PresenceType};
use crate::xml;

/// One stanza: its header, parsed, and its children, as bytes until somebody asks for more.
///
/// In memory everything is in `jabber:client`, whatever the stream speaks, so all types of
/// `xmpp-parsers` fit.
#[derive(Debug, Clone)]
pub struct Stanza {
    pub(crate) kind: Kind,
    pub(crate) id: Option<CompactString>,
    pub(crate) from: Option<Jid>,
    pub(crate) to: Option<Jid>,
    pub(crate) lang: Option<CompactString>,
    pub(crate) children: Children,
}

impl Stanza {
    /// A stanza without addresses and children. The writer fills in `from` and `id` where they are
    /// missing.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            id: None,
            from: None,
            to: None,
            lang: None,
            children: Children::new(),
        }
    }

    /// A chat message with one body.
    ///
    /// # Errors
    /// When `body` holds a character that XML cannot carry.
    pub fn chat(to: impl Into<Jid>, body: &str) -> Result<Self, WriteError> {
        Self::new(Kind::Message(MessageType::Chat))
            .with_to(to)
            .with_text("body", body)
    }

    /// An IQ get with this payload.
    ///
    /// # Errors
    /// When the payload cannot be written as XML.
    pub fn iq_get<P: AsXml>(to: impl Into<Jid>, payload: &P) -> Result<Self, WriteError> {
        Self::new(Kind::Iq(IqType::Get))
            .with_to(to)
            .with_child(payload)
    }

    /// An IQ set with this payload.
    ///
    /// # Errors
    /// When the payload cannot be written as XML.
    pub fn iq_set<P: AsXml>(to: impl Into<Jid>, payload: &P) -> Result<Self, WriteError> {
        Self::new(Kind::Iq(IqType::Set))
            .with_to(to)
            .with_child(payload)
    }

    /// Kind and type.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The id. Messages and presence may lack one (RFC 6120 §8.1.3).
    #[inline]
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The sender. On stanzas that reach a handler it is always there.
    #[inline]
    #[must_use]
    pub fn from(&self) -> Option<&Jid> {
        self.from.as_ref()
    }

    /// The recipient. On stanzas that reach a handler it is always there.
    #[inline]
    #[must_use]
    pub fn to(&self) -> Option<&Jid> {
        self.to.as_ref()
    }

    /// The language of human-readable text within, where no child says otherwise (RFC 6120 §8.1.5).
    #[inline]
    #[must_use]
    pub fn lang(&self) -> Option<&str> {
        self.lang.as_deref()
    }

    /// The child elements.
    #[inline]
    #[must_use]
    pub fn children(&self) -> &Children {
        &self.children
    }

    /// Whether a message says something: a body, or anything else but notifications about other
    /// messages.
    #[must_use]
    pub fn has_content(&self) -> bool {
        self.children.iter().any(|child| {
            !matches!(
                (&*child.namespace(), child.name()),
                // XEP-0085, XEP-0184, XEP-0333, XEP-0334: nothing that a person wrote.
                (
                    "http://jabber.org/protocol/chatstates"
                    | "urn:xmpp:receipts"
                    | "urn:xmpp:chat-markers:0"
                    | "urn:xmpp:hints",
                    _,
                )
                // What servers add by themselves (XEP-0203, XEP-0359, and ejabberd's older form of
                // it).
                | ("urn:xmpp:delay" | "urn:xmpp:sid:0" | "urn:xmpp:mam:tmp", _)
                | ("jabber:client", "thread")
            )
        })
    }

    /// Sets the id.
    #[must_use]
    pub fn with_id(mut self, id: impl AsRef<str>) -> Self {
        self.id = Some(id.as_ref().into());
        self
    }

    /// Sets the sender, which must lie in the component's domain.
    #[must_use]
    pub fn with_from(mut self, from: impl Into<Jid>) -> Self {
        self.from = Some(from.into());
        self
    }

    /// Sets the recipient.
    #[must_use]
    pub fn with_to(mut self, to: impl Into<Jid>) -> Self {
        self.to = Some(to.into());
        self
    }

    /// Sets the language.
    #[must_use]
    pub fn with_lang(mut self, lang: impl AsRef<str>) -> Self {
        self.lang = Some(lang.as_ref().into());
        self
    }

    /// Replaces the children.
    #[must_use]
    pub fn with_children(mut self, children: Children) -> Self {
        self.children = children;
        self
    }

    /// Adds one typed child.
    ///
    /// # Errors
    /// When the value cannot be written as XML.
    pub fn with_child<P: AsXml>(self, payload: &P) -> Result<Self, WriteError> {
        self.append(|children| children.push(payload))
    }

    /// Adds a child in `jabber:client` that holds text, such as `body`, `subject` or `status`.
    ///
    /// # Errors
    /// When `text` holds a character that XML cannot carry.
    pub fn with_text(self, name: &str, text: &str) -> Result<Self, WriteError> {
        self.append(|children| children.push_text(xml::CLIENT, name, text))
    }

    /// Parses the first child that is a `P`, judged by namespace and name.
    ///
    /// # Errors
    /// [`ParseError::is_absent`] when there is none, else what is wrong with it.
    pub fn child<P: FromXml>(&self) -> Result<P, ParseError> {
        let matcher = P::xml_name_matcher();
        let mut found = Err(ParseError::absent());
        for child in self
            .children
            .iter()
            .filter(|child| error::matches(&matcher, child))
        {
            found = xml::events::parse(child.as_str(), self.lang()).map_err(ParseError::from);
            if found.as_ref().is_err_and(ParseError::is_absent) {
                continue;
            }
            break;
        }
        found
    }

    /// Parses every child that is a `P`, judged by namespace and name, in their order.
    ///
    /// # Errors
    /// What is wrong with the first bad one.
    pub fn every_child<P: FromXml>(&self) -> Result<Vec<P>, ParseError> {
        let matcher = P::xml_name_matcher();
        let named = self
            .children
            .iter()
            .filter(|child| error::matches(&matcher, child));
        let parsed = named
            .map(|child| xml::events::parse(child.as_str(), self.lang()).map_err(ParseError::from));
        parsed
            .filter(|parsed| !parsed.as_ref().is_err_and(ParseError::is_absent))
            .collect()
    }

    /// Sets kind and type.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets or removes the sender.
    #[inline]
    pub fn set_from(&mut self, from: Option<Jid>) {
        self.from = from;
    }

    /// Sets or removes the recipient.
    #[inline]
    pub fn set_to(&mut self, to: Option<Jid>) {
        self.to = to;
    }

    /// Sets or removes the id.
    #[inline]
    pub fn set_id(&mut self, id: Option<&str>) {
        self.id = id.map(CompactString::from);
    }

    /// Returns the children and drops the header.
    #[inline]
    #[must_use]
    pub fn into_children(self) -> Children {
        self.children
    }

    /// Gives mutable access to the children, for instance to [detach](Children::detach) them.
    #[inline]
    pub fn children_mut(&mut self) -> &mut Children {
        &mut self.children
    }

    /// Returns a stanza of this kind with the id of `self`, addressed back to its sender, without
    /// language and children.
    #[must_use]
    pub fn reply(&self, kind: Kind) -> Self {
        Self {
            kind,
            id: self.id.clone(),
            from: self.to.clone(),
            to: self.from.clone(),
            lang: None,
            children: Children::new(),
        }
    }

    /// Returns a copy of the stanza without its children.
    #[must_use]
    pub fn clone_header(&self) -> Self {
        Self {
            kind: self.kind,
            id: self.id.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            lang: self.lang.clone(),
            children: Children::new(),
        }
    }

    /// Returns about how many bytes of memory the stanza keeps alive, for bounds on queues.
    #[inline]
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.children.as_bytes().len()
    }

    fn append(
        mut self,
        add: impl FnOnce(&mut ChildrenBuilder) -> Result<(), WriteError>,
    ) -> Result<Self, WriteError> {
        let mut children = ChildrenBuilder::default();
        children.push_children(&self.children);
        add(&mut children)?;
        self.children = children.finish();
        Ok(self)
    }
}
