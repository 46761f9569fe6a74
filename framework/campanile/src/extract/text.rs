//! Extractors for the texts of a message.

use super::language::{self, Localized};
use super::{FromInbound, Rejection, missing};
use crate::inbound::Inbound;
use crate::stanza::{Child, Stanza};
use campanile_stanza::xml::CLIENT;

/// The body of a message, in the language of the message if there are several, or else the first
/// one.
///
/// Use [`Bodies`] to choose among the languages that the sender provides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body(pub String);

/// The subject of a message, chosen in the same way as [`Body`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject(pub String);

/// The body of a message in every language provided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bodies(pub Localized);

/// The subject of a message in every language provided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subjects(pub Localized);

/// The conversation thread of a message (RFC 6121 §5.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// The opaque id of the thread.
    pub id: String,
    /// The id of the parent thread, if any.
    pub parent: Option<String>,
}

macro_rules! texts {
    ($($one:ident, $all:ident, $name:literal;)+) => {$(
        impl<S> FromInbound<S> for $one {
            type Rejection = Rejection;

            fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
                match language::own(inbound.stanza(), $name) {
                    Some(text) => Ok(Self(text.text().into_owned())),
                    None => Err(missing(concat!("no ", $name))),
                }
            }
        }

        impl<S> FromInbound<S> for $all {
            type Rejection = Rejection;

            fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
                Localized::of(inbound.stanza(), $name)
                    .map(Self)
                    .ok_or_else(|| missing(concat!("no ", $name)))
            }
        }
    )+};
}

texts! {
    Body, Bodies, "body";
    Subject, Subjects, "subject";
}

impl<S> FromInbound<S> for Thread {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        let thread = inbound
            .stanza()
            .children()
            .find(CLIENT, "thread")
            .ok_or_else(|| missing("no thread"))?;
        Ok(Self {
            id: thread.text().into_owned(),
            parent: thread.attribute("parent").map(Into::into),
        })
    }
}

/// Returns the body of a message, chosen in the same way as [`Body`].
pub(crate) fn body(stanza: &Stanza) -> Option<Child<'_>> {
    language::own(stanza, "body")
}
