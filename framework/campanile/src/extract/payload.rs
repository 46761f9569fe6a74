//! Typed payloads, as extractor and reply.

pub use xmpp_parsers::delay::Delay;
use xso::{AsXml, FromXml};

use super::{FromInbound, Rejection};
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::reply::{IntoReply, Reply};
use crate::stanza::ChildrenBuilder;

/// A child element of the stanza as a Rust type; for an IQ, its payload.
///
/// To be extracted, `P` must implement `xso::FromXml`, as the types of `xmpp-parsers` and types
/// with `#[derive(FromXml)]` do. As a reply, it must implement `xso::AsXml`. The first child whose
/// namespace and name match is parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload<P>(pub P);

/// All child elements of the stanza that are a `P`, in order, possibly none. As a reply, all of
/// them are sent.
///
/// Extraction fails if one of them is invalid.
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

/// The time at which a delayed stanza was first sent (XEP-0203).
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
