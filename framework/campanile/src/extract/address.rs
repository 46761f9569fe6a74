//! Extractors for the sender and the recipient of a stanza.

use std::convert::Infallible;

use jid::Jid;

use super::FromInbound;
use crate::inbound::Inbound;

/// The address of the sender.
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
