//! Replies to stanzas that match no route.

use super::route_table::RouteTable;
use crate::error::{BoxError, Condition, StanzaError};
use crate::inbound::Inbound;
use crate::reply::{self, Reply};
use crate::stanza::{Kind, PresenceType, Stanza};

/// Returns the reply to a stanza that matches no route.
///
/// | stanza | reply |
/// |---|---|
/// | IQ request whose namespace is routed for this recipient | `feature-not-implemented` |
/// | any other IQ request | `service-unavailable` |
/// | `chat` or `normal` message with content | `service-unavailable` |
/// | presence of type `subscribe` or `probe` | `unsubscribed` |
/// | any other stanza | none |
pub(super) fn answer(table: &RouteTable, inbound: &Inbound) -> Result<Reply, BoxError> {
    let stanza = inbound.stanza();
    match stanza.kind() {
        Kind::Iq(_) => Err(refusal(table, stanza).into()),
        // RFC 6121 §8.5.1: the sender learns that the message was not delivered.
        Kind::Message(_) if reply::should_bounce(stanza) => {
            Err(Condition::ServiceUnavailable.into())
        }
        // RFC 6121 §3.1.3 and §4.3.2: without a reply, the server of the contact would ask again.
        Kind::Presence(PresenceType::Subscribe | PresenceType::Probe) => Ok(unsubscribed(inbound)),
        Kind::Message(_) | Kind::Presence(_) => Ok(Reply::Empty),
    }
}

/// RFC 6120 §8.3.3: `feature-not-implemented` tells the sender that other elements of the namespace
/// may work.
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
    StanzaError::new(Condition::BadRequest)
        .with_text("an IQ request must have exactly one child")
        .with_lang("en")
}
