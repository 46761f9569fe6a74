//! Server-side roster of one account: contacts, and their subscriptions (RFC 6121 §2 and §3). The
//! transitions are those of [`campanile::presence`].

use std::collections::BTreeMap;

use jid::BareJid;
use xmpp_parsers::roster::{self, Ask, Group, Item};

use campanile::presence::{HalfState, Subscription};
use campanile::stanza::PresenceType;

/// Maximum number of contacts of one account.
const CONTACTS: usize = 1000;
/// Maximum number of groups of one contact.
const GROUPS: usize = 20;

#[derive(Debug, Default)]
pub(super) struct Roster {
    contacts: BTreeMap<BareJid, Contact>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Contact {
    /// Part of the roster that clients see, not only a pending subscription request.
    listed: bool,
    name: Option<String>,
    groups: Vec<Group>,
    subscription: Subscription,
}

/// Effects of a subscription stanza.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The roster item has changed, so clients receive a roster push.
    pub(super) push: bool,
    /// The stanza is passed on to its recipient.
    pub(super) pass: bool,
    /// The contact's new permission to see the account's presence, if that has changed.
    pub(super) seen: Option<bool>,
    /// Automatic reply of the account's server.
    pub(super) answer: Option<PresenceType>,
}

impl Roster {
    /// Applies an outbound subscription stanza. Returns `None` if there are too many contacts.
    pub(super) fn outbound(&mut self, contact: &BareJid, kind: PresenceType) -> Option<Outcome> {
        let lists = matches!(kind, PresenceType::Subscribe | PresenceType::Subscribed);
        self.apply(contact, lists, |before| before.outbound(kind))
    }

    /// Applies an inbound subscription stanza. Returns `None` if there are too many contacts.
    pub(super) fn inbound(&mut self, contact: &BareJid, kind: PresenceType) -> Option<Outcome> {
        let outcome = self.apply(contact, false, |before| before.inbound(kind))?;
        // RFC 6121 §3.1.3: a contact that is subscribed already gets a confirmation.
        let confirms = kind == PresenceType::Subscribe && self.is_watcher(contact);
        Some(Outcome {
            answer: confirms.then_some(PresenceType::Subscribed),
            ..outcome
        })
    }

    /// Applies a transition. If there is one and it `lists` the contact, clients see the contact.
    fn apply(
        &mut self,
        contact: &BareJid,
        lists: bool,
        transition: impl FnOnce(Subscription) -> Option<Subscription>,
    ) -> Option<Outcome> {
        let item = self.listed(contact);
        let entry = self.entry(contact)?;
        let before = entry.subscription;
        let after = transition(before);
        entry.subscription = after.unwrap_or(before);
        entry.listed |= lists && after.is_some();
        let seen = entry.is_watcher();
        let was_seen = before.from == HalfState::Subscribed;
        Some(Outcome {
            push: self.has_changed(contact, item.as_ref()),
            pass: after.is_some(),
            seen: (seen != was_seen).then_some(seen),
            answer: None,
        })
    }

    /// Adds or updates a contact. Returns `false` if there are too many.
    pub(super) fn set(&mut self, item: Item) -> bool {
        let Some(entry) = self.entry(&item.jid) else {
            return false;
        };
        entry.listed = true;
        entry.name = item.name.filter(|name| !name.is_empty());
        entry.groups = item.groups;
        entry.groups.truncate(GROUPS);
        true
    }

    /// Removes a contact. Returns whether there was an outbound and an inbound subscription or
    /// request.
    pub(super) fn remove(&mut self, contact: &BareJid) -> Option<(bool, bool)> {
        let gone = self
            .contacts
            .get(contact)
            .filter(|entry| entry.listed)?
            .subscription;
        self.contacts.remove(contact);
        Some((gone.to != HalfState::None, gone.from != HalfState::None))
    }

    /// Returns the roster as clients see it.
    pub(super) fn items(&self) -> Vec<Item> {
        self.contacts
            .iter()
            .filter(|(_, entry)| entry.listed)
            .map(|(jid, entry)| entry.item(jid))
            .collect()
    }

    /// Returns one roster item, with `subscription='remove'` if there is none.
    pub(super) fn item(&self, jid: &BareJid) -> Item {
        let gone = || Item {
            subscription: roster::Subscription::Remove,
            ..Contact::default().item(jid)
        };
        self.listed(jid).unwrap_or_else(gone)
    }

    /// Returns the contacts subscribed to the account's presence.
    pub(super) fn watchers(&self) -> Vec<BareJid> {
        self.those(Contact::is_watcher)
    }

    /// Returns the contacts whose presence the account is subscribed to.
    pub(super) fn watched(&self) -> Vec<BareJid> {
        self.those(|entry| entry.subscription.to == HalfState::Subscribed)
    }

    /// Returns the contacts with a pending subscription request.
    pub(super) fn asking(&self) -> Vec<BareJid> {
        self.those(|entry| entry.subscription.from == HalfState::Pending)
    }

    pub(super) fn is_watcher(&self, jid: &BareJid) -> bool {
        self.contacts.get(jid).is_some_and(Contact::is_watcher)
    }

    fn those(&self, wanted: impl Fn(&Contact) -> bool) -> Vec<BareJid> {
        self.contacts
            .iter()
            .filter(|(_, entry)| wanted(entry))
            .map(|(jid, _)| jid.clone())
            .collect()
    }

    fn listed(&self, jid: &BareJid) -> Option<Item> {
        self.contacts
            .get(jid)
            .filter(|entry| entry.listed)
            .map(|entry| entry.item(jid))
    }

    fn entry(&mut self, jid: &BareJid) -> Option<&mut Contact> {
        let room = self.contacts.len() < CONTACTS || self.contacts.contains_key(jid);
        room.then(|| self.contacts.entry(jid.clone()).or_default())
    }

    /// Removes a contact without any state left. Returns `true` if the roster item differs from
    /// `before`.
    fn has_changed(&mut self, contact: &BareJid, before: Option<&Item>) -> bool {
        let changed = self.listed(contact).as_ref() != before;
        if self
            .contacts
            .get(contact)
            .is_some_and(|entry| *entry == Contact::default())
        {
            self.contacts.remove(contact);
        }
        changed
    }
}

impl Contact {
    /// Returns `true` if the contact is subscribed to the account's presence.
    fn is_watcher(&self) -> bool {
        self.subscription.from == HalfState::Subscribed
    }

    fn item(&self, jid: &BareJid) -> Item {
        let to = self.subscription.to;
        Item {
            jid: jid.clone(),
            name: self.name.clone(),
            subscription: match (to == HalfState::Subscribed, self.is_watcher()) {
                (true, true) => roster::Subscription::Both,
                (true, false) => roster::Subscription::To,
                (false, true) => roster::Subscription::From,
                (false, false) => roster::Subscription::None,
            },
            ask: match to {
                HalfState::Pending => Ask::Subscribe,
                HalfState::None | HalfState::Subscribed => Ask::None,
            },
            groups: self.groups.clone(),
            approved: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use PresenceType::{Subscribe, Subscribed, Unsubscribe, Unsubscribed};

    use super::*;

    fn bot() -> BareJid {
        BareJid::new("bot@localhost").unwrap()
    }

    fn state(roster: &Roster) -> String {
        let item = roster.item(&bot());
        let asked = if roster.asking().is_empty() {
            ""
        } else {
            "+in"
        };
        let ask = if item.ask == Ask::Subscribe {
            "+out"
        } else {
            ""
        };
        format!("{:?}{ask}{asked}", item.subscription).to_lowercase()
    }

    /// Columns: sent by the account, type, resulting state, whether the stanza is passed on.
    #[test]
    fn roster_follows_subscription_state_machine() {
        let mut roster = Roster::default();
        for (sent, kind, wanted, pass) in [
            (true, Subscribe, "none+out", true),
            (true, Subscribe, "none+out", true),
            (false, Subscribed, "to", true),
            (false, Subscribed, "to", false),
            (false, Subscribe, "to+in", true),
            (false, Subscribe, "to+in", false),
            (true, Subscribed, "both", true),
            (true, Subscribed, "both", false),
            (true, Unsubscribe, "from", true),
            (true, Subscribe, "from+out", true),
            (false, Unsubscribed, "from", true),
            (false, Unsubscribed, "from", false),
            (true, Unsubscribed, "none", true),
            (true, Unsubscribed, "none", false),
            (false, Subscribe, "none+in", true),
            (false, Unsubscribe, "none", true),
            (false, Unsubscribe, "none", false),
        ] {
            let outcome = if sent {
                roster.outbound(&bot(), kind)
            } else {
                roster.inbound(&bot(), kind)
            }
            .unwrap();
            assert_eq!(
                (state(&roster).as_str(), outcome.pass),
                (wanted, pass),
                "{sent} {kind}"
            );
        }
    }

    #[test]
    fn pending_subscriber_is_not_listed() {
        let mut roster = Roster::default();
        let outcome = roster.inbound(&bot(), Subscribe).unwrap();
        assert!(outcome.pass && !outcome.push && roster.items().is_empty());
        assert_eq!(roster.asking(), [bot()]);
        assert!(roster.outbound(&bot(), Subscribed).unwrap().push);
        assert_eq!(roster.items()[0].subscription, roster::Subscription::From);
        assert_eq!(
            roster.inbound(&bot(), Subscribe).unwrap().answer,
            Some(Subscribed)
        );
        assert_eq!(roster.remove(&bot()), Some((false, true)));
        assert_eq!(
            roster.item(&bot()).subscription,
            roster::Subscription::Remove
        );
    }

    #[test]
    fn roster_is_bounded_and_ignores_unknown_contacts() {
        let mut roster = Roster::default();
        for n in 0..CONTACTS + 5 {
            let jid = BareJid::new(&format!("c{n}@x")).unwrap();
            assert_eq!(roster.outbound(&jid, Subscribe).is_some(), n < CONTACTS);
        }
        let mut roster = Roster::default();
        for kind in [Subscribed, Unsubscribe, Unsubscribed] {
            roster.inbound(&bot(), kind).unwrap();
        }
        assert!(roster.contacts.is_empty());
    }
}
