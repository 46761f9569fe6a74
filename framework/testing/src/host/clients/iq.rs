//! IQ requests that the server handles on behalf of an account: roster, vCard, private storage,
//! disco, ping.

use crate::host::ids;
use jid::{BareJid, Jid};
use xmpp_parsers::disco::{DiscoInfoResult, DiscoItemsResult, Identity};
use xmpp_parsers::ns;
use xmpp_parsers::roster::{self, Subscription};

use super::ResourceFilter;
use crate::host::endpoint::Endpoint;
use crate::host::state::Shared;
use campanile::error::{Condition, StanzaError};
use campanile::payload::WritePayload;
use campanile::stanza::{Child, Children, IqType, Kind, PresenceType, Stanza};

const VCARD: &str = "vcard-temp";
const PRIVATE: &str = "jabber:iq:private";
const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";

type Answer = Result<Children, Condition>;

impl Shared {
    /// Handles a request to a bare account JID, or without `to`, which means the sender's own
    /// account (RFC 6120 §10.3.3).
    pub(super) fn answer_for_account(&self, account: &BareJid, stanza: &Stanza) {
        let own = stanza.from().is_some_and(|from| from.to_bare() == *account);
        let answer = match (stanza.kind(), stanza.children().first()) {
            (Kind::Iq(IqType::Get), Some(payload)) if own => {
                self.own_get(account, stanza, &payload)
            }
            (Kind::Iq(IqType::Set), Some(payload)) if own => self.own_set(account, &payload),
            (Kind::Iq(IqType::Get), Some(payload)) => foreign_get(&payload),
            _ => Err(Condition::ServiceUnavailable),
        };
        match answer {
            Ok(children) => self.answer(stanza, Kind::Iq(IqType::Result), children),
            Err(condition) => self.bounce(stanza, &StanzaError::new(condition)),
        }
    }

    fn own_get(&self, account: &BareJid, stanza: &Stanza, payload: &Child<'_>) -> Answer {
        match (&*payload.namespace(), payload.name()) {
            (ns::ROSTER, "query") => {
                let mut state = self.state();
                let account = state
                    .accounts
                    .get_mut(account)
                    .ok_or(Condition::ServiceUnavailable)?;
                if let Some(resource) = stanza.from().and_then(|from| account.resource(from)) {
                    resource.interested = true;
                }
                written(&roster::Roster {
                    ver: None,
                    items: account.roster.items(),
                })
            }
            // Nothing is stored: XEP-0054 §3.1 and XEP-0049 §3 return the empty element.
            (VCARD, "vCard") | (PRIVATE, "query") => Ok(payload.to_children()),
            (ns::PING, "ping") => Ok(Children::new()),
            _ => foreign_get(payload),
        }
    }

    fn own_set(&self, account: &BareJid, payload: &Child<'_>) -> Answer {
        match (&*payload.namespace(), payload.name()) {
            (ns::ROSTER, "query") => {
                let query: roster::Roster = payload.parse().map_err(|_| Condition::BadRequest)?;
                // RFC 6121 §2.1.5: exactly one item.
                let [item] = <[_; 1]>::try_from(query.items).map_err(|_| Condition::BadRequest)?;
                self.change_roster(account, item)
            }
            // RFC 3921 §3; a no-op since RFC 6120.
            (SESSION, "session") => Ok(Children::new()),
            _ => Err(Condition::ServiceUnavailable),
        }
    }

    fn change_roster(&self, account: &BareJid, item: roster::Item) -> Answer {
        let contact = item.jid.clone();
        if item.subscription != Subscription::Remove {
            let set = self
                .with_roster(account, |roster| roster.set(item))
                .ok_or(Condition::ServiceUnavailable)?;
            if !set {
                return Err(Condition::ResourceConstraint);
            }
            self.push_item(account, &contact);
            return Ok(Children::new());
        }
        let removed = self
            .with_roster(account, |roster| roster.remove(&contact))
            .flatten();
        let (saw, seen) = removed.ok_or(Condition::ItemNotFound)?;
        self.push_item(account, &contact);
        // RFC 6121 §2.5.2: both subscriptions end with the item.
        for (wanted, kind) in [
            (saw, PresenceType::Unsubscribe),
            (seen, PresenceType::Unsubscribed),
        ] {
            if wanted {
                self.deliver(&presence(
                    account.clone().into(),
                    contact.clone().into(),
                    kind,
                ));
            }
        }
        if seen {
            self.hide_from(account, &contact);
        }
        Ok(Children::new())
    }

    /// Sends a roster push for a contact to the account's interested resources (RFC 6121 §2.1.6).
    pub(super) fn push_item(&self, account: &BareJid, contact: &BareJid) {
        let Some(item) = self.with_roster(account, |roster| roster.item(contact)) else {
            return;
        };
        let Ok(children) = written(&roster::Roster {
            ver: None,
            items: vec![item],
        }) else {
            return;
        };
        for endpoint in self.endpoints(account, ResourceFilter::Interested) {
            // Virtual users have no roster.
            if let Endpoint::Client(_) = endpoint {
                let push = Stanza::new(Kind::Iq(IqType::Set))
                    .with_id(ids::fresh())
                    .with_children(children.clone());
                if !endpoint.push(&push) {
                    self.count_dropped();
                }
            }
        }
    }
}

/// Handles a get request from another user.
fn foreign_get(payload: &Child<'_>) -> Answer {
    match (&*payload.namespace(), payload.name()) {
        (ns::DISCO_INFO, "query") => {
            let features = [ns::DISCO_INFO, ns::DISCO_ITEMS, ns::PING, VCARD]
                .map(str::to_owned)
                .into();
            let identities = vec![Identity {
                category: "account".into(),
                type_: "registered".into(),
                lang: None,
                name: None,
            }];
            written(&DiscoInfoResult {
                node: None,
                identities,
                features,
                extensions: Vec::new(),
            })
        }
        (ns::DISCO_ITEMS, "query") => written(&DiscoItemsResult {
            node: None,
            items: Vec::new(),
            rsm: None,
        }),
        (VCARD, "vCard") => Err(Condition::ItemNotFound),
        _ => Err(Condition::ServiceUnavailable),
    }
}

fn written(payload: &impl WritePayload) -> Answer {
    Children::of(payload).map_err(|_| Condition::InternalServerError)
}

pub(super) fn presence(from: Jid, to: Jid, kind: PresenceType) -> Stanza {
    Stanza::new(Kind::Presence(kind))
        .with_from(from)
        .with_to(to)
}
