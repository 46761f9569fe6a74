//! Extractors for the stanza header, apart from the addresses.

use super::{FromInbound, Rejection, missing};
use crate::inbound::Inbound;
use crate::stanza::{IqType, Kind, MessageType, PresenceType};

/// The id of the stanza. Every IQ has one; it is optional for messages and presence (RFC 6120
/// §8.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id(pub String);

/// The language of the stanza as sent: `en`, `pt-BR` (RFC 6120 §8.1.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lang(pub String);

macro_rules! header {
    ($($extractor:ty, $without:literal, $take:expr;)+) => {$(
        impl<S> FromInbound<S> for $extractor {
            type Rejection = Rejection;

            fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
                let take: fn(&Inbound) -> Option<Self> = $take;
                take(inbound).ok_or_else(|| missing($without))
            }
        }
    )+};
}

header! {
    Id, "the stanza has no id", |inbound| {
        inbound.stanza().id().map(|id| Self(id.to_owned()))
    };
    Lang, "the stanza has no language", |inbound| {
        inbound.stanza().lang().map(|lang| Self(lang.to_owned()))
    };
    IqType, "the stanza is not an IQ", |inbound| match inbound.kind() {
        Kind::Iq(kind) => Some(kind),
        _ => None,
    };
    MessageType, "the stanza is not a message", |inbound| match inbound.kind() {
        Kind::Message(kind) => Some(kind),
        _ => None,
    };
    PresenceType, "the stanza is not presence", |inbound| match inbound.kind() {
        Kind::Presence(kind) => Some(kind),
        _ => None,
    };
}
