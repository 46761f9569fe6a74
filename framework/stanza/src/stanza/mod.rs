//! Stanzas of XMPP: parsed headers over raw XML, with lazy, typed access to the child elements.
//!
//! A [`Stanza`] has a [`Kind`] (IQ, message or presence, and its type), addresses, an id, a
//! language and [`Children`]. The children are kept as the bytes that came from the stream, and are
//! parsed only when a type is asked for, so that forwarding or rejecting a stanza costs no XML
//! parsing. Any type that implements [`ReadPayload`] and [`WritePayload`] is a payload: all types
//! with `FromXml` and `AsXml` of [`xso`], as those of `xmpp-parsers` and in
//! [`payload`](crate::payload), and your own.
//!
//! In memory, every stanza is in the namespace `jabber:client`, whatever the namespace of the
//! stream (`jabber:component:accept` for components). Stored and forwarded stanzas therefore look
//! the same as received ones.
//!
//! Build a stanza and read it back:
//!
//! ```
//! use campanile_stanza::stanza::{Kind, MessageType, Stanza};
//! use jid::Jid;
//! use xmpp_parsers::delay::Delay;
//! use xmpp_parsers::receipts::Request;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stanza = Stanza::chat(Jid::new("alice@example.org")?, "hello")?
//!     .with_id("m1")
//!     .with_child(&Request)?;
//! assert_eq!(stanza.kind(), Kind::Message(MessageType::Chat));
//!
//! let body = stanza.children().find("jabber:client", "body").expect("a body");
//! assert_eq!(body.text(), "hello");
//!
//! stanza.child::<Request>()?;
//! assert!(stanza.child::<Delay>().unwrap_err().is_absent());
//! # Ok(())
//! # }
//! ```
//!
//! [`Reader`](crate::reader::Reader) parses stanzas from a stream.

mod annotation;
mod builders;
mod children;
mod convert;
mod error;
mod kind;
mod raw_address;
pub(crate) mod read_payload;
mod typed_message;
pub(crate) mod write_payload;

use compact_str::CompactString;
use jid::Jid;

pub use self::annotation::is_annotation;
pub use self::builders::{MessageBuilder, PresenceBuilder};
pub use self::children::{Child, Children, ChildrenBuilder};
pub(crate) use self::children::{ChildSpan, ChildSpans, NamespaceSource};
pub use self::error::{ParseError, WriteError};
pub use self::kind::{IqType, Kind, MessageType, PresenceType};
pub(crate) use self::raw_address::{Address, RawAddresses};
use self::read_payload::ReadPayload;
use self::write_payload::WritePayload;
use crate::xml;

/// An XMPP stanza: a parsed header, and child elements that are parsed on demand.
///
/// In memory every stanza is in `jabber:client`, whatever the namespace of the stream, so that all
/// types of `xmpp-parsers` can be used with it. Cloning does not copy the children's bytes, which
/// are reference counted.
#[derive(Debug, Clone)]
pub struct Stanza {
    pub(crate) kind: Kind,
    pub(crate) id: Option<CompactString>,
    pub(crate) from: Option<Jid>,
    pub(crate) to: Option<Jid>,
    pub(crate) lang: Option<CompactString>,
    pub(crate) children: Children,
    pub(crate) raw: Option<Box<RawAddresses>>,
}

impl Stanza {
    /// Creates a stanza without addresses and children.
    ///
    /// On sending, the component fills in `from` and `id` if they are missing.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            id: None,
            from: None,
            to: None,
            lang: None,
            children: Children::new(),
            raw: None,
        }
    }

    /// Creates a chat message with a body.
    ///
    /// For a subject, a thread or other types of messages, see [`MessageBuilder`].
    ///
    /// # Errors
    /// Returns [`WriteError::Character`] if `body` contains a character that XML 1.0 does not
    /// allow.
    pub fn chat(to: impl Into<Jid>, body: &str) -> Result<Self, WriteError> {
        Self::new(Kind::Message(MessageType::Chat))
            .with_to(to)
            .with_text("body", body)
    }

    /// Creates an IQ request of type `get` with a payload.
    ///
    /// # Errors
    /// Returns a [`WriteError`] if the payload cannot be serialized as XML.
    pub fn iq_get<P: WritePayload>(to: impl Into<Jid>, payload: &P) -> Result<Self, WriteError> {
        Self::new(Kind::Iq(IqType::Get))
            .with_to(to)
            .with_child(payload)
    }

    /// Creates an IQ request of type `set` with a payload.
    ///
    /// # Errors
    /// Returns a [`WriteError`] if the payload cannot be serialized as XML.
    pub fn iq_set<P: WritePayload>(to: impl Into<Jid>, payload: &P) -> Result<Self, WriteError> {
        Self::new(Kind::Iq(IqType::Set))
            .with_to(to)
            .with_child(payload)
    }

    /// Returns the kind and type.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the id. Messages and presence may lack one (RFC 6120 §8.1.3).
    #[inline]
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the sender. It is always present in stanzas that reach a handler.
    #[inline]
    #[must_use]
    pub fn from(&self) -> Option<&Jid> {
        self.from.as_ref()
    }

    /// Returns the recipient. It is always present in stanzas that reach a handler.
    #[inline]
    #[must_use]
    pub fn to(&self) -> Option<&Jid> {
        self.to.as_ref()
    }

    /// Returns the default language of human-readable text in the stanza (RFC 6120 §8.1.5).
    ///
    /// A child element may override it with its own `xml:lang`.
    #[inline]
    #[must_use]
    pub fn lang(&self) -> Option<&str> {
        self.lang.as_deref()
    }

    /// Returns the child elements.
    #[inline]
    #[must_use]
    pub fn children(&self) -> &Children {
        &self.children
    }

    /// Returns `true` if the stanza has content: a body, or any other child except notifications
    /// about other messages and metadata added by servers.
    ///
    /// [`is_annotation`] lists the elements that are not content.
    #[must_use]
    pub fn has_content(&self) -> bool {
        self.children
            .iter()
            .any(|child| !is_annotation(&child.namespace(), child.name()))
    }

    /// Sets the id.
    #[must_use]
    pub fn with_id(mut self, id: impl AsRef<str>) -> Self {
        self.id = Some(id.as_ref().into());
        self
    }

    /// Sets the sender. A component may send only from addresses in its own domain.
    #[must_use]
    pub fn with_from(mut self, from: impl Into<Jid>) -> Self {
        self.set_from(Some(from.into()));
        self
    }

    /// Sets the recipient.
    #[must_use]
    pub fn with_to(mut self, to: impl Into<Jid>) -> Self {
        self.set_to(Some(to.into()));
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

    /// Appends a typed child element.
    ///
    /// # Errors
    /// Returns a [`WriteError`] if the value cannot be serialized as XML.
    pub fn with_child<P: WritePayload>(self, payload: &P) -> Result<Self, WriteError> {
        self.append(|children| children.push(payload))
    }

    /// Appends a child element in `jabber:client` with text content, such as `body`, `subject` or
    /// `status`.
    ///
    /// # Errors
    /// Returns a [`WriteError`] if `name` is not a valid XML name, or `text` contains a character
    /// that XML 1.0 does not allow.
    pub fn with_text(self, name: &str, text: &str) -> Result<Self, WriteError> {
        self.append(|children| children.push_text(xml::CLIENT, name, text))
    }

    /// Parses the first child whose namespace and name are those of `P`.
    ///
    /// # Errors
    /// Returns an error for which [`ParseError::is_absent`] is `true` if there is no such child,
    /// and the parse error if the child is invalid.
    pub fn child<P: ReadPayload>(&self) -> Result<P, ParseError> {
        let matcher = P::matcher();
        let mut found = Err(ParseError::absent());
        for child in self.children.iter().filter(|child| child.may_be(&matcher)) {
            found = child.read(self.lang());
            if found.as_ref().is_err_and(ParseError::is_absent) {
                continue;
            }
            break;
        }
        found
    }

    /// Parses all children whose namespace and name are those of `P`, in document order.
    ///
    /// # Errors
    /// Returns the parse error of the first invalid child.
    pub fn every_child<P: ReadPayload>(&self) -> Result<Vec<P>, ParseError> {
        let matcher = P::matcher();
        let named = self.children.iter().filter(|child| child.may_be(&matcher));
        named
            .map(|child| child.read(self.lang()))
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
        if let Some(raw) = &mut self.raw {
            raw.from = None;
        }
    }

    /// Sets or removes the recipient.
    #[inline]
    pub fn set_to(&mut self, to: Option<Jid>) {
        self.to = to;
        if let Some(raw) = &mut self.raw {
            raw.to = None;
        }
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
            raw: self.raw.as_deref().map(RawAddresses::swapped),
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
            raw: self.raw.clone(),
        }
    }

    /// Returns the approximate memory use in bytes, for limits on queues.
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
