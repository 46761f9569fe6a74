//! Client streams with SASL and resource binding (RFC 6120), and the server side of their accounts
//! (RFC 6121): roster, subscriptions, presence. Accounts are fixed when the host is built; all
//! state is bounded and kept in memory.

pub(super) mod account;
mod binding;
mod iq;
mod presence;
mod roster;
mod sasl;
mod scram;
mod session;

use std::sync::Arc;

pub(super) use self::session::spawn;
use super::endpoint::Endpoint;
use super::routes::overloaded;
use super::state::Shared;
use campanile::error::{Condition, StanzaError};
use campanile::stanza::{Kind, MessageType, PresenceType, Stanza};
use jid::{BareJid, Jid};

/// Maximum number of concurrent clients.
pub(super) const CLIENTS: usize = 256;
/// Selects the resources of an account that receive a stanza.
#[derive(Clone, Copy)]
enum ResourceFilter<'j> {
    /// The resource of a full JID.
    Full(&'j Jid),
    /// Available resources with a non-negative priority (RFC 6121 §8.5.2.1).
    NonNegative,
    /// Available resources.
    Available,
    /// Interested resources, which have requested the roster.
    Interested,
}

impl Shared {
    /// Delivers a stanza to a registered account (RFC 6121 §8.5).
    pub(super) fn deliver_to_registered(&self, account: &BareJid, to: &Jid, stanza: &Stanza) {
        let bare = to.resource().is_none();
        match stanza.kind() {
            Kind::Iq(_) if bare && stanza.kind().is_response() => self.count_dropped(),
            Kind::Iq(_) if bare => self.answer_for_account(account, stanza),
            Kind::Iq(_) => self.deliver_to(account, ResourceFilter::Full(to), stanza),
            Kind::Message(MessageType::Error) if bare => self.count_dropped(),
            Kind::Message(MessageType::Groupchat) if bare => self.bounce(stanza, &unavailable()),
            Kind::Message(kind) => {
                let gone = bare || self.endpoints(account, ResourceFilter::Full(to)).is_empty();
                // RFC 6121 §8.5.3.2.1: a message for a vanished resource is delivered to the
                // others.
                let anybody =
                    bare || (gone && matches!(kind, MessageType::Chat | MessageType::Normal));
                self.deliver_to(
                    account,
                    if anybody {
                        ResourceFilter::NonNegative
                    } else {
                        ResourceFilter::Full(to)
                    },
                    stanza,
                );
            }
            Kind::Presence(PresenceType::Probe) => self.probed(account, stanza),
            Kind::Presence(
                PresenceType::Subscribe
                | PresenceType::Subscribed
                | PresenceType::Unsubscribe
                | PresenceType::Unsubscribed,
            ) => self.subscription_for(account, stanza),
            Kind::Presence(_) if bare => {
                self.deliver_to(account, ResourceFilter::Available, stanza);
            }
            Kind::Presence(_) => self.deliver_to(account, ResourceFilter::Full(to), stanza),
        }
    }

    fn deliver_to(&self, account: &BareJid, which: ResourceFilter<'_>, stanza: &Stanza) {
        let endpoints = self.endpoints(account, which);
        if endpoints.is_empty() && !matches!(stanza.kind(), Kind::Presence(_)) {
            self.bounce(stanza, &unavailable());
        }
        for endpoint in endpoints {
            if !endpoint.push(stanza) {
                self.bounce(stanza, &overloaded());
            }
        }
    }

    /// Returns the endpoints that match. Virtual users with the account's bare JID count as
    /// matching resources.
    fn endpoints(&self, account: &BareJid, which: ResourceFilter<'_>) -> Vec<Endpoint> {
        let state = self.state();
        let virtual_users = match which {
            ResourceFilter::Full(jid) => state.online(jid),
            ResourceFilter::Interested
            | ResourceFilter::NonNegative
            | ResourceFilter::Available => state.online(&account.clone().into()),
        };
        let resources = state
            .accounts
            .get(account)
            .into_iter()
            .flat_map(|account| &account.resources);
        let wanted = resources.filter(|resource| match which {
            ResourceFilter::Full(jid) => resource.jid == *jid,
            ResourceFilter::NonNegative => {
                resource.priority().is_some_and(|priority| priority >= 0)
            }
            ResourceFilter::Available => resource.presence.is_some(),
            ResourceFilter::Interested => resource.interested,
        });
        virtual_users
            .into_iter()
            .chain(wanted.map(|resource| Endpoint::Client(Arc::clone(&resource.stream))))
            .collect()
    }
}

fn unavailable() -> StanzaError {
    StanzaError::new(Condition::ServiceUnavailable)
}
