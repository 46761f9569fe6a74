//! Stanza routing and error replies.

use jid::Jid;

use super::endpoint::Endpoint;
use super::raw_stanza::{RawStanza, encode};
use super::state::{Shared, Target};
use super::write_buffer::PushError;
use super::{host_entity, refusal};
use campanile::error::{Condition, ErrorType, StanzaError};
use campanile::stanza::{Children, IqType, Kind, MessageType, Stanza};

impl Shared {
    /// Delivers a user's stanza, waiting for capacity at a component.
    pub(super) async fn deliver_waiting(&self, raw: RawStanza) {
        let Some(to) = recipient(&raw.stanza) else {
            return self.for_own_account(raw.stanza);
        };
        self.observe(&raw.stanza);
        match self.target(&to) {
            Target::Component(stream) => {
                if !stream.push_waiting(&raw.bytes()).await {
                    self.bounce(&raw.stanza, &refusal::offline(&to));
                }
            }
            target => self.dispatch(target, &to, &raw.stanza),
        }
    }

    /// Delivers a stanza that has both addresses, or bounces it, without waiting.
    pub(super) fn deliver(&self, stanza: &Stanza) {
        let Some(to) = recipient(stanza) else {
            return;
        };
        self.observe(stanza);
        let target = self.target(&to);
        self.dispatch(target, &to, stanza);
    }

    fn dispatch(&self, target: Target, to: &Jid, stanza: &Stanza) {
        match target {
            Target::Component(stream) => match stream.push(&encode(stanza)) {
                Ok(()) => {}
                Err(PushError::Full) => self.bounce(stanza, &overloaded()),
                Err(PushError::Closed) => self.bounce(stanza, &refusal::offline(to)),
            },
            Target::Offline => self.bounce(stanza, &refusal::offline(to)),
            Target::RemoteServer => {
                self.bounce(stanza, &StanzaError::new(Condition::RemoteServerNotFound));
            }
            Target::Host => match host_entity::answer(self, stanza) {
                Ok(children) => self.answer(stanza, Kind::Iq(IqType::Result), children),
                Err(condition) => self.bounce(stanza, &StanzaError::new(condition)),
            },
            Target::Registered(account) => self.deliver_to_registered(&account, to, stanza),
            Target::Account(online) => self.deliver_to_account(&online, to, stanza),
        }
    }

    /// Delivers a stanza to the virtual users of an account (RFC 6121 §8.5, as far as it applies).
    fn deliver_to_account(&self, online: &[Endpoint], to: &Jid, stanza: &Stanza) {
        let bare = to.resource().is_none();
        let unavailable = || StanzaError::new(Condition::ServiceUnavailable);
        match stanza.kind() {
            // Virtual accounts store no roster or vCard, so the account itself has no replies.
            Kind::Iq(_) | Kind::Message(MessageType::Groupchat) if bare => {
                self.bounce(stanza, &unavailable());
            }
            Kind::Message(MessageType::Error) if bare => self.count_dropped(),
            Kind::Presence(_) if online.is_empty() => {}
            _ if online.is_empty() => self.bounce(stanza, &unavailable()),
            _ => {
                for endpoint in online {
                    if !endpoint.push(stanza) {
                        self.bounce(stanza, &overloaded());
                    }
                }
            }
        }
    }

    /// Replies with an error, unless the stanza is an error or a response (RFC 6120 §8.3.1).
    pub(super) fn bounce(&self, stanza: &Stanza, error: &StanzaError) {
        if stanza.kind().is_error() || stanza.kind().is_response() {
            self.count_dropped();
            return;
        }
        self.answer(stanza, stanza.kind().to_error(), error.to_children());
    }

    pub(super) fn answer(&self, stanza: &Stanza, kind: Kind, children: Children) {
        self.deliver(&stanza.reply(kind).with_children(children));
    }

    /// Handles a stanza without `to`, which is addressed to the sender's own account (RFC 6120
    /// §10.3). A virtual account handles no requests.
    fn for_own_account(&self, mut stanza: Stanza) {
        stanza.set_to(stanza.from().map(|from| from.to_bare().into()));
        if !matches!(stanza.kind(), Kind::Presence(_)) {
            self.bounce(&stanza, &StanzaError::new(Condition::ServiceUnavailable));
        }
    }

    fn observe(&self, stanza: &Stanza) {
        if let Some(observer) = &self.settings.observer {
            observer(stanza);
        }
    }
}

/// Returns the recipient, or its domain if the rest of the address cannot be held as a JID.
fn recipient(stanza: &Stanza) -> Option<Jid> {
    stanza
        .to()
        .cloned()
        .or_else(|| Jid::new(&stanza.to_domain()?).ok())
}

pub(super) fn overloaded() -> StanzaError {
    StanzaError::new(Condition::ResourceConstraint).with_type(ErrorType::Wait)
}
