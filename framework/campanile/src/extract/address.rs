//! Who sent a stanza, and to whom.

use std::convert::Infallible;

use jid::Jid;

use super::FromInbound;
use crate::inbound::Inbound;

/// The address that the stanza came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(pub Jid);

/// The address in the component's domain that the stanza was sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient(pub Jid);

impl<S> FromInbound<S> for Sender {
    type Rejection = Infallible;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(inbound.sender().clone()))
    }
}

impl<S> FromInbound<S> for Recipient {
    type Rejection = Infallible;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(inbound.recipient().clone()))
    }
}
