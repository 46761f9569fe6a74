//! Why a stanza could not be read as a type, or written.

use std::fmt;

use xso::fromxml::XmlNameMatcher;

use super::Child;
use crate::xml::emit::EmitError;

/// A child or a stanza is not what was asked for.
#[derive(Debug)]
pub struct ParseError {
    source: xso::error::Error,
}

impl ParseError {
    /// There is no element of the wanted name at all, as opposed to a bad one.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self.source, xso::error::Error::TypeMismatch)
    }

    /// Returns the error of a child that is not there.
    #[must_use]
    pub fn absent() -> Self {
        Self {
            source: xso::error::Error::TypeMismatch,
        }
    }
}

impl From<xso::error::Error> for ParseError {
    fn from(source: xso::error::Error) -> Self {
        Self { source }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_absent() {
            return f.write_str("no such element");
        }
        write!(f, "bad element: {}", self.source)
    }
}

impl std::error::Error for ParseError {}

/// A value cannot be written as XML, or not as a stanza of this component.
#[derive(Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// A character that XML 1.0 cannot carry, in text or in an attribute.
    Character(char),
    /// A name of an element or an attribute that is none in XML 1.0, or not in the fourth edition
    /// of it, which servers hold to: a name of the fifth alone would end the stream.
    Name(String),
    /// A namespace that no element or attribute can have: that of declarations (Namespaces in XML
    /// 1.0 §3), or one with a line feed, at which ejabberd ends the stream.
    Namespace(String),
    /// The value's own serialisation failed.
    Value(String),
    /// The stanza is larger than the server takes.
    TooLarge {
        /// Size in bytes, counted after escaping.
        size: usize,
        /// The bound `max_stanza_out`.
        limit: usize,
    },
    /// The sender's address lies outside the component's domain.
    ForeignSender(jid::Jid),
    /// The recipient's address is missing.
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
            Self::Character(c) => write!(
                f,
                "the character U+{:04X} cannot stand in XML",
                u32::from(*c)
            ),
            Self::Name(name) => write!(f, "{name:?} is no name that XML servers take"),
            Self::Namespace(namespace) => {
                write!(f, "{namespace:?} is no namespace that XML servers take")
            }
            Self::Value(why) => write!(f, "the value cannot be written as XML: {why}"),
            Self::TooLarge { size, limit } => {
                write!(f, "the stanza has {size} bytes, the bound is {limit}")
            }
            Self::ForeignSender(from) => {
                write!(f, "the sender {from} lies outside the component's domain")
            }
            Self::NoRecipient => f.write_str("the stanza has no recipient"),
        }
    }
}

impl std::error::Error for WriteError {}

/// Whether a child may be of the type that the matcher belongs to.
pub(super) fn matches(matcher: &XmlNameMatcher<'_>, child: &Child<'_>) -> bool {
    match matcher {
        XmlNameMatcher::Any => true,
        XmlNameMatcher::InNamespace(namespace) => child.namespace() == *namespace,
        XmlNameMatcher::Specific(namespace, name) => child.is(namespace, name),
    }
}
