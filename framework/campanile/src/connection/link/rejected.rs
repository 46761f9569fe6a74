//! Received stanzas that are well-formed but invalid.

use campanile_stanza::reader::{RejectedStanza, StanzaDefect};

use super::Link;
use super::inbound::is_addressed;
use crate::error::{Condition, ErrorType, StanzaError};
use crate::stanza::{IqType, Kind, MessageType, PresenceType, Stanza};

impl<S> Link<'_, S> {
    /// Replies to a stanza that is well-formed but invalid.
    pub(super) fn refused(&mut self, refused: &RejectedStanza) {
        let counter = match refused.defect() {
            StanzaDefect::TooLarge | StanzaDefect::TooDeep => &self.parts.counters.oversize,
            _ => &self.parts.counters.malformed,
        };
        counter.inc();
        let domain = self.parts.client.domain();
        let Some((stanza, error)) = stanza_for_reply(refused)
            .filter(|(stanza, _)| is_addressed(stanza, domain.domain().as_str()))
        else {
            return;
        };
        if stanza.kind() == Kind::Iq(IqType::Result) {
            // A response to one of our own requests that is too large to be read still completes
            // it.
            let refused = stanza
                .with_kind(Kind::Iq(IqType::Error))
                .with_children(error.to_children());
            let raw = refused.raw_from().is_some();
            if raw || !self.parts.client.shared().pending.resolve(refused) {
                self.parts.counters.unsolicited.inc();
            }
            return;
        }
        self.write_error(&stanza, &error);
    }
}

/// Returns the stanza to reply to for a rejected one, and the error, if a reply is due.
fn stanza_for_reply(rejected: &RejectedStanza) -> Option<(Stanza, StanzaError)> {
    let stanza = rejected.to_stanza();
    let owed = match stanza.kind() {
        Kind::Iq(_) | Kind::Message(MessageType::Chat | MessageType::Normal) => true,
        Kind::Message(_) => false,
        Kind::Presence(_) => PresenceType::parse(rejected.type_attribute()).is_none(),
    };
    let error = match rejected.defect() {
        StanzaDefect::TooLarge | StanzaDefect::TooDeep => {
            StanzaError::new(Condition::PolicyViolation).with_type(ErrorType::Modify)
        }
        _ => StanzaError::new(Condition::BadRequest),
    };
    owed.then_some((stanza, error))
}
