//! Typed payloads, in and out.

use xso::{AsXml, FromXml};

use super::{FromInbound, Rejection};
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::reply::{IntoReply, Reply};

/// A child element of the stanza as a type: of an IQ its payload.
///
/// `P` is anything that implements `xso::FromXml`, such as the types of `xmpp-parsers` and those with
/// `#[derive(FromXml)]`; as a reply, `xso::AsXml`. The children are tried in their order, by namespace and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload<P>(pub P);

impl<S, P: FromXml + 'static> FromInbound<S> for Payload<P> {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        Ok(Self(inbound.stanza().child()?))
    }
}

impl<P: AsXml> IntoReply for Payload<P> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::payload(&self.0)?)
    }
}
