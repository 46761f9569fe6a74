//! XML below the level of stanzas: character classes, escaping, tokenizing and serializing.
//!
//! All XML that leaves this module has three properties: elements in `jabber:client` directly below
//! a stanza carry no `xmlns`, no prefix depends on a declaration outside of the bytes, and there is
//! no CDATA.

pub(crate) mod chars;
pub(crate) mod element_reader;
pub(crate) mod emit;
pub(crate) mod escape;
pub(crate) mod events;
pub(crate) mod names;
pub(crate) mod namespace_cache;
pub(crate) mod tokens;

pub use self::chars::forbidden as forbidden_char;
pub use self::element_reader::{Attribute, Content, ElementReader};
pub use self::emit::{EmitError, Emitter};
pub use self::escape::{push_attribute, push_text};
pub use self::tokens::{StartTag, Token, Tokens};

/// The namespace of all stanzas in memory, whatever that of the stream (RFC 6120 §4.8.2).
pub const CLIENT: &str = "jabber:client";
/// The namespace of the prefix `xml` (Namespaces in XML 1.0 §3).
pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of the prefix `xmlns`, which must not be declared (Namespaces in XML 1.0 §3).
pub(crate) const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
