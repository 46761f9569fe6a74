//! Extractors for the sender and the recipient of a stanza.

use jid::Jid;

use super::{FromInbound, Rejection};
use crate::error::{Condition, StanzaError};
use crate::inbound::Inbound;

/// The address of the sender.
///
/// The error is `jid-malformed` if it has characters that are newer than Unicode 3.2, which
/// [`Jid`] does not support; [`Stanza::raw_from`](crate::stanza::Stanza::raw_from) has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(pub Jid);

/// The address in the component's domain that the stanza was sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient(pub Jid);

impl<S> FromInbound<S> for Sender {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        readable(inbound.stanza().raw_from())?;
        Ok(Self(inbound.sender().clone()))
    }
}

impl<S> FromInbound<S> for Recipient {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        readable(inbound.stanza().raw_to())?;
        Ok(Self(inbound.recipient().clone()))
    }
}

/// RFC 6120 §8.3.3.8: rejects an address that cannot be held as a [`Jid`], instead of passing on
/// its bare JID.
pub(super) fn readable(raw: Option<&str>) -> Result<(), Rejection> {
    let Some(raw) = raw else {
        return Ok(());
    };
    Err(Rejection::invalid(
        StanzaError::new(Condition::JidMalformed)
            .with_text(format!(
                "address {raw:?} has characters that are not supported"
            ))
            .with_lang("en"),
    ))
}
