//! Errors of parsing stanzas into types, and of serializing them.

use std::borrow::Cow;
use std::fmt;

use crate::xml::emit::EmitError;

/// The error of parsing a stanza or a child element into a type.
///
/// Returned by a handler with `?`, it becomes the stanza error `bad-request`.
#[derive(Debug)]
pub struct ParseError {
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Absent,
    Invalid(Cow<'static, str>),
    Type(xso::error::Error),
}

impl ParseError {
    /// Creates the error of an invalid element. `why` is shown after "invalid element".
    #[must_use]
    pub fn new(why: impl Into<Cow<'static, str>>) -> Self {
        Self {
            cause: Cause::Invalid(why.into()),
        }
    }

    /// Returns `true` if the element is missing, `false` if it is present but invalid.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self.cause, Cause::Absent)
    }

    /// Returns the error of a child that is not there.
    #[must_use]
    pub fn absent() -> Self {
        Self {
            cause: Cause::Absent,
        }
    }
}

impl From<xso::error::Error> for ParseError {
    fn from(source: xso::error::Error) -> Self {
        let cause = match source {
            xso::error::Error::TypeMismatch => Cause::Absent,
            invalid => Cause::Type(invalid),
        };
        Self { cause }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Absent => f.write_str("no such element"),
            Cause::Invalid(why) => write!(f, "invalid element: {why}"),
            Cause::Type(why) => write!(f, "invalid element: {why}"),
        }
    }
}

impl std::error::Error for ParseError {}

/// The error of serializing a value as XML, or of sending a stanza that the component may not send.
#[derive(Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// A character in text or in an attribute that XML 1.0 does not allow.
    Character(char),
    /// A name of an element or an attribute that servers do not accept.
    ///
    /// Prosody and ejabberd implement the fourth edition of XML 1.0. They close the stream on names
    /// that only the fifth edition allows.
    Name(String),
    /// A namespace that servers do not accept: that of namespace declarations (Namespaces in XML
    /// 1.0 §3), or one with a line feed, on which ejabberd closes the stream.
    Namespace(String),
    /// The serialization code of the value failed, or did not produce exactly one element.
    Value(String),
    /// The stanza exceeds the size limit for outgoing stanzas.
    TooLarge {
        /// The size in bytes after escaping.
        size: usize,
        /// The limit `max_stanza_out`, in bytes.
        limit: usize,
    },
    /// The sender's address is not in the component's domain.
    ForeignSender(jid::Jid),
    /// The stanza has no recipient.
    NoRecipient,
}

impl From<EmitError> for WriteError {
    fn from(error: EmitError) -> Self {
        match error {
            EmitError::Character(c) => Self::Character(c),
            EmitError::Name(name) => Self::Name(name),
            EmitError::Namespace(namespace) => Self::Namespace(namespace),
            EmitError::Value(error) => Self::Value(error.to_string()),
            EmitError::Shape(why) => Self::Value(why.to_owned()),
            EmitError::TooLarge => Self::Value("too large".to_owned()),
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character(c) => {
                write!(f, "character not allowed in XML: U+{:04X}", u32::from(*c))
            }
            Self::Name(name) => write!(f, "name not accepted by XMPP servers: {name:?}"),
            Self::Namespace(namespace) => {
                write!(f, "namespace not accepted by XMPP servers: {namespace:?}")
            }
            Self::Value(why) => write!(f, "value cannot be serialized as XML: {why}"),
            Self::TooLarge { size, limit } => {
                write!(f, "stanza too large: {size} bytes, the limit is {limit}")
            }
            Self::ForeignSender(from) => {
                write!(f, "sender not in the component's domain: {from}")
            }
            Self::NoRecipient => f.write_str("stanza has no recipient"),
        }
    }
}

impl std::error::Error for WriteError {}
