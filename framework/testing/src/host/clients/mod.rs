//! People's clients: streams with SASL and resource binding (RFC 6120), and what a server does for
//! their accounts (RFC 6121): roster, subscriptions, presence. In memory, bounded, for the accounts
//! that the host was given.

mod account;
mod iq;
mod presence;
mod roster;
mod sasl;
mod scram;
mod session;

use std::sync::Arc;

pub(super) use self::account::Account;
pub(super) use self::session::spawn;
use super::mailbox::Mailbox;
use super::raw_stanza::encode;
use super::routes::overloaded;
use super::state::Shared;
use super::write_buffer::WriteBuffer;
use campanile::error::{Condition, StanzaError};
use campanile::stanza::{Kind, MessageType, PresenceType, Stanza};
use jid::{BareJid, Jid};

/// Clients at a time.
pub(super) const CLIENTS: usize = 256;
/// Bytes that wait for one client; what does not fit is bounced.
const WAITING: usize = 1024 * 1024;

/// Where stanzas for a user go.
#[derive(Clone)]
pub(super) enum Endpoint {
    /// A virtual user.
    Virtual(Arc<Mailbox>),
    /// A client.
    Client(Arc<WriteBuffer>),
}

impl Endpoint {
    /// False when there is no room.
    pub(super) fn push(&self, stanza: &Stanza) -> bool {
        match self {
            Self::Virtual(mailbox) => mailbox.push(stanza),
            Self::Client(stream) => stream.push_within(&encode(stanza), WAITING).is_ok(),
        }
    }
}

/// Which resources of an account a stanza is for.
#[derive(Clone, Copy)]
enum ResourceFilter<'j> {
    /// This very one.
    Full(&'j Jid),
    /// Those with presence and a priority that is not negative (RFC 6121 §8.5.2.1).
    NonNegative,
    /// Those with presence.
    Available,
    /// Those that have asked for the roster.
    Interested,
}

impl Shared {
    /// RFC 6121 §8.5: a stanza for somebody who has an account here.
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
                // RFC 6121 §8.5.3.2.1: a conversation goes on with whatever client there is.
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
                self.deliver_to(account, ResourceFilter::Available, stanza)
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

    /// Virtual users of the same name see what all resources see.
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
