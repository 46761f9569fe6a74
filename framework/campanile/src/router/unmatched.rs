//! What becomes of a stanza that no route is for.

use super::route_table::RouteTable;
use crate::error::{BoxError, Condition, StanzaError};
use crate::inbound::Inbound;
use crate::reply::{self, Reply};
use crate::stanza::{Kind, PresenceType, Stanza};

/// The answer to a stanza without a route.
///
/// | stanza | answer |
/// |---|---|
/// | IQ, its namespace is routed to this address | feature-not-implemented |
/// | any other IQ | service-unavailable |
/// | chat or normal message with content | service-unavailable |
/// | presence `subscribe`, `probe` | `unsubscribed` |
/// | all else | nothing |
pub(super) fn answer(table: &RouteTable, inbound: &Inbound) -> Result<Reply, BoxError> {
    let stanza = inbound.stanza();
    match stanza.kind() {
        Kind::Iq(_) => Err(refusal(table, stanza).into()),
        // RFC 6121 §8.5.1: a person must not write into the void.
        Kind::Message(_) if reply::should_bounce(stanza) => {
            Err(Condition::ServiceUnavailable.into())
        }
        // RFC 6121 §3.1.3 and §4.3.2: who has no presence says so, else the asking server will ask
        // again.
        Kind::Presence(PresenceType::Subscribe | PresenceType::Probe) => Ok(unsubscribed(inbound)),
        Kind::Message(_) | Kind::Presence(_) => Ok(Reply::Empty),
    }
}

/// RFC 6120 §8.3.3: the two differ in whether the sender may try something else of the same
/// namespace.
fn refusal(table: &RouteTable, stanza: &Stanza) -> Condition {
    match stanza.children().first() {
        Some(payload) if table.knows(stanza, &payload.namespace()) => {
            Condition::FeatureNotImplemented
        }
        _ => Condition::ServiceUnavailable,
    }
}

fn unsubscribed(inbound: &Inbound) -> Reply {
    let refused = Stanza::new(Kind::Presence(PresenceType::Unsubscribed))
        .with_from(inbound.recipient().to_bare())
        .with_to(inbound.sender().to_bare());
    Reply::Stanza(Box::new(refused))
}

/// RFC 6120 §8.2.3: an IQ request has exactly one child.
pub(super) fn is_bad_request(stanza: &Stanza) -> bool {
    stanza.kind().is_request() && stanza.children().len() != 1
}

pub(super) fn bad_request() -> StanzaError {
    StanzaError::new(Condition::BadRequest).with_text("an IQ request has exactly one child")
}
