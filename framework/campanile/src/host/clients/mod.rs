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
use super::inbox::Inbox;
use super::outgoing::Outgoing;
use super::parcel::encode;
use super::routes::too_much;
use super::tables::Shared;
use crate::error::{Condition, StanzaError};
use crate::stanza::{Kind, MessageType, PresenceType, Stanza};
use jid::{BareJid, Jid};

/// Clients at a time.
pub(super) const CLIENTS: usize = 256;
/// Bytes that wait for one client; what does not fit is bounced.
const WAITING: usize = 1024 * 1024;

/// Where stanzas for a user go.
#[derive(Clone)]
pub(super) enum Mailbox {
    /// A virtual user.
    Inbox(Arc<Inbox>),
    /// A client.
    Client(Arc<Outgoing>),
}

impl Mailbox {
    /// False when there is no room.
    pub(super) fn push(&self, stanza: &Stanza) -> bool {
        match self {
            Self::Inbox(inbox) => inbox.push(stanza),
            Self::Client(stream) => stream.push_within(&encode(stanza), WAITING).is_ok(),
        }
    }
}

/// Which resources of an account a stanza is for.
#[derive(Clone, Copy)]
enum Which<'j> {
    /// This very one.
    Full(&'j Jid),
    /// Those with presence and a priority that is not negative (RFC 6121 §8.5.2.1).
    Talking,
    /// Those with presence.
    Available,
    /// Those that have asked for the roster.
    Interested,
}

impl Shared {
    /// RFC 6121 §8.5: a stanza for somebody who has an account here.
    pub(super) fn give_to_registered(&self, account: &BareJid, to: &Jid, stanza: &Stanza) {
        let bare = to.resource().is_none();
        match stanza.kind {
            Kind::Iq(_) if bare && stanza.kind.is_response() => self.dropped.one(),
            Kind::Iq(_) if bare => self.answer_for_account(account, stanza),
            Kind::Iq(_) => self.give_to(account, Which::Full(to), stanza),
            Kind::Message(MessageType::Error) if bare => self.dropped.one(),
            Kind::Message(MessageType::Groupchat) if bare => self.bounce(stanza, &unavailable()),
            Kind::Message(kind) => {
                let gone = bare || self.mailboxes(account, Which::Full(to)).is_empty();
                // RFC 6121 §8.5.3.2.1: a conversation goes on with whatever client there is.
                let anybody =
                    bare || (gone && matches!(kind, MessageType::Chat | MessageType::Normal));
                self.give_to(
                    account,
                    if anybody {
                        Which::Talking
                    } else {
                        Which::Full(to)
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
            Kind::Presence(_) if bare => self.give_to(account, Which::Available, stanza),
            Kind::Presence(_) => self.give_to(account, Which::Full(to), stanza),
        }
    }

    fn give_to(&self, account: &BareJid, which: Which<'_>, stanza: &Stanza) {
        let mailboxes = self.mailboxes(account, which);
        if mailboxes.is_empty() && !matches!(stanza.kind, Kind::Presence(_)) {
            self.bounce(stanza, &unavailable());
        }
        for mailbox in mailboxes {
            if !mailbox.push(stanza) {
                self.bounce(stanza, &too_much());
            }
        }
    }

    /// Virtual users of the same name see what all resources see.
    fn mailboxes(&self, account: &BareJid, which: Which<'_>) -> Vec<Mailbox> {
        let tables = self.tables();
        let virtually = match which {
            Which::Full(jid) => tables.online(jid),
            Which::Interested | Which::Talking | Which::Available => {
                tables.online(&account.clone().into())
            }
        };
        let resources = tables
            .accounts
            .get(account)
            .into_iter()
            .flat_map(|account| &account.resources);
        let wanted = resources.filter(|resource| match which {
            Which::Full(jid) => resource.jid == *jid,
            Which::Talking => resource.priority().is_some_and(|priority| priority >= 0),
            Which::Available => resource.presence.is_some(),
            Which::Interested => resource.interested,
        });
        virtually
            .into_iter()
            .chain(wanted.map(|resource| Mailbox::Client(Arc::clone(&resource.stream))))
            .collect()
    }
}

fn unavailable() -> StanzaError {
    StanzaError::new(Condition::ServiceUnavailable)
}
