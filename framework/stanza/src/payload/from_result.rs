//! The payload of an IQ result as a value.

use xso::FromXml;

use crate::stanza::{Children, IqType, Kind, ParseError, Stanza};

/// The result of a request whose payload is of no interest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Empty;

/// What the payload of an IQ result can be read as: any `xso::FromXml`, [`Children`] as they came,
/// or [`Empty`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from an IQ result",
    note = "it is a type that implements `xso::FromXml`, or `Children`, or `Empty`"
)]
pub trait FromResult: Sized {
    /// Reads the payload.
    ///
    /// # Errors
    /// When it is something else.
    fn from_result(payload: Children) -> Result<Self, ParseError>;
}

impl<P: FromXml> FromResult for P {
    fn from_result(payload: Children) -> Result<Self, ParseError> {
        Stanza::new(Kind::Iq(IqType::Result))
            .with_children(payload)
            .child()
    }
}

impl FromResult for Children {
    fn from_result(payload: Children) -> Result<Self, ParseError> {
        Ok(payload)
    }
}

impl FromResult for Empty {
    fn from_result(_payload: Children) -> Result<Self, ParseError> {
        Ok(Self)
    }
}
