//! Typed payloads, in and out.

pub use xmpp_parsers::delay::Delay;
use xso::{AsXml, FromXml};

use super::{FromInbound, Rejection};
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::reply::{IntoReply, Reply};
use crate::stanza::ChildrenBuilder;

/// A child element of the stanza as a type: of an IQ its payload.
///
/// `P` is anything that implements `xso::FromXml`, such as the types of `xmpp-parsers` and those
/// with `#[derive(FromXml)]`; as a reply, `xso::AsXml`. The children are tried in their order, by
/// namespace and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload<P>(pub P);

/// Every child element of the stanza that is a `P`, in their order; there may be none. As a reply,
/// all of them.
///
/// A bad one among them refuses all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payloads<P>(pub Vec<P>);

impl<S, P: FromXml + 'static> FromInbound<S> for Payload<P> {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        Ok(Self(inbound.stanza().child()?))
    }
}

impl<S, P: FromXml + 'static> FromInbound<S> for Payloads<P> {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        Ok(Self(inbound.stanza().every_child()?))
    }
}

/// When the stanza was first sent, where it was held back since (XEP-0203).
impl<S> FromInbound<S> for Delay {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        Ok(inbound.stanza().child()?)
    }
}

impl<P: AsXml> IntoReply for Payload<P> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        Ok(Reply::payload(&self.0)?)
    }
}

impl<P: AsXml> IntoReply for Payloads<P> {
    fn into_reply(self) -> Result<Reply, BoxError> {
        let mut children = ChildrenBuilder::default();
        self.0
            .iter()
            .try_for_each(|payload| children.push(payload))?;
        Ok(Reply::Children(children.finish()))
    }
}
