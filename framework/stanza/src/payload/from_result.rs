//! The payload of an IQ result as a value.

use super::ReadPayload;
use crate::stanza::{Children, IqType, Kind, ParseError, Stanza};

/// A result whose payload is ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Empty;

/// A type that can be read from the payload of an IQ result.
///
/// Implemented for every [`ReadPayload`] type, for [`Children`] (the payload as it is) and for
/// [`Empty`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from an IQ result",
    note = "use a type that implements `ReadPayload` or `xso::FromXml`, or `Children`, or `Empty`"
)]
pub trait FromResult: Sized {
    /// Reads the payload.
    ///
    /// # Errors
    /// If the payload is of another type.
    fn from_result(payload: Children) -> Result<Self, ParseError>;
}

impl<P: ReadPayload> FromResult for P {
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
