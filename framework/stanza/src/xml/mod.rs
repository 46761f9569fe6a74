//! XML below the stanzas: characters, escapes, and walking over bytes that the reader has already
//! checked.
//!
//! Everything that leaves this module keeps three promises: elements in `jabber:client` directly
//! below a stanza carry no `xmlns`, no prefix leans on something outside the bytes, and there is no
//! CDATA.

pub(crate) mod chars;
pub(crate) mod emit;
pub(crate) mod escape;
pub(crate) mod events;
pub(crate) mod names;
pub(crate) mod tokens;

pub use self::chars::forbidden as forbidden_char;
pub use self::emit::{EmitError, Emitter};
pub use self::escape::{push_attribute, push_text};
pub use self::tokens::{StartTag, Token, Tokens};

/// The namespace of everything in memory, whatever the stream speaks (RFC 6120 §4.8.2).
pub const CLIENT: &str = "jabber:client";
/// Bound to the prefix `xml` by definition (Namespaces in XML 1.0 §3).
pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// Bound to the prefix `xmlns` by definition, never declared (Namespaces in XML 1.0 §3).
pub(crate) const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
