//! Extractors for the whole stanza.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;

pub use xmpp_parsers::message::Message;
pub use xmpp_parsers::presence::Presence;

use super::address::readable;
use super::{FromInbound, Rejection};
use crate::client::Client;
use crate::inbound::Inbound;
use crate::stanza::{Children, Kind, Stanza};

/// The stanza, shared and unparsed.
#[derive(Debug, Clone)]
pub struct StanzaRef(pub Arc<Stanza>);

impl Deref for StanzaRef {
    type Target = Stanza;

    fn deref(&self) -> &Stanza {
        &self.0
    }
}

impl<S> FromInbound<S> for Message {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        readable_addresses(inbound)?;
        Ok(inbound.stanza().to_message()?)
    }
}

impl<S> FromInbound<S> for Presence {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        readable_addresses(inbound)?;
        Ok(inbound.stanza().to_presence()?)
    }
}

fn readable_addresses(inbound: &Inbound) -> Result<(), Rejection> {
    readable(inbound.stanza().raw_from())?;
    readable(inbound.stanza().raw_to())
}

macro_rules! always {
    ($($extractor:ty = $take:expr;)+) => {$(
        impl<S> FromInbound<S> for $extractor {
            type Rejection = Infallible;

            fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Infallible> {
                let take: fn(&Inbound) -> Self = $take;
                Ok(take(inbound))
            }
        }
    )+};
}

always! {
    Inbound = Inbound::clone;
    StanzaRef = |inbound| StanzaRef(inbound.shared_stanza());
    Children = |inbound| inbound.stanza().children().clone();
    Kind = Inbound::kind;
    Client = |inbound| inbound.client().clone();
}
