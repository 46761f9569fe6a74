//! Server-side roster of one account: contacts and subscription states (RFC 6121 §2, §3 and
//! Appendix A).

use std::collections::BTreeMap;

use jid::BareJid;
use xmpp_parsers::roster::{Ask, Group, Item, Subscription};

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
    /// The account is subscribed to the contact's presence.
    to: bool,
    /// The contact is subscribed to the account's presence.
    from: bool,
    /// The account has sent a subscription request to the contact.
    ask: bool,
    /// The contact has sent a subscription request that is still pending.
    asked: bool,
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
        let before = self.listed(contact);
        let entry = self.entry(contact)?;
        let mut outcome = Outcome {
            pass: true,
            ..Outcome::default()
        };
        match kind {
            PresenceType::Subscribe => {
                entry.ask |= !entry.to;
                entry.listed = true;
            }
            PresenceType::Unsubscribe => (entry.to, entry.ask) = (false, false),
            PresenceType::Subscribed => {
                // RFC 6121 Appendix A.2.3: routed only if a request is pending.
                outcome.pass = entry.asked;
                if entry.asked {
                    (entry.from, entry.asked, entry.listed) = (true, false, true);
                    outcome.seen = Some(true);
                }
            }
            _ => {
                outcome.pass = entry.asked || entry.from;
                outcome.seen = entry.from.then_some(false);
                (entry.from, entry.asked) = (false, false);
            }
        }
        outcome.push = self.has_changed(contact, before.as_ref());
        Some(outcome)
    }

    /// Applies an inbound subscription stanza. Returns `None` if there are too many contacts.
    pub(super) fn inbound(&mut self, contact: &BareJid, kind: PresenceType) -> Option<Outcome> {
        let before = self.listed(contact);
        let entry = self.entry(contact)?;
        let mut outcome = Outcome::default();
        match kind {
            // RFC 6121 §3.1.3: already subscribed.
            PresenceType::Subscribe if entry.from => {
                outcome.answer = Some(PresenceType::Subscribed);
            }
            PresenceType::Subscribe => outcome.pass = !std::mem::replace(&mut entry.asked, true),
            PresenceType::Unsubscribe => {
                outcome.pass = entry.from || entry.asked;
                outcome.seen = entry.from.then_some(false);
                (entry.from, entry.asked) = (false, false);
            }
            PresenceType::Subscribed => {
                outcome.pass = entry.ask && !entry.to;
                entry.to |= entry.ask;
                entry.ask = false;
            }
            _ => {
                outcome.pass = entry.ask || entry.to;
                (entry.to, entry.ask) = (false, false);
            }
        }
        outcome.push = self.has_changed(contact, before.as_ref());
        Some(outcome)
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
            .clone();
        self.contacts.remove(contact);
        Some((gone.to || gone.ask, gone.from || gone.asked))
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
            subscription: Subscription::Remove,
            ..Contact::default().item(jid)
        };
        self.listed(jid).unwrap_or_else(gone)
    }

    /// Returns the contacts subscribed to the account's presence.
    pub(super) fn watchers(&self) -> Vec<BareJid> {
        self.those(|entry| entry.from)
    }

    /// Returns the contacts whose presence the account is subscribed to.
    pub(super) fn watched(&self) -> Vec<BareJid> {
        self.those(|entry| entry.to)
    }

    /// Returns the contacts with a pending subscription request.
    pub(super) fn asking(&self) -> Vec<BareJid> {
        self.those(|entry| entry.asked)
    }

    pub(super) fn is_watcher(&self, jid: &BareJid) -> bool {
        self.contacts.get(jid).is_some_and(|entry| entry.from)
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
    fn item(&self, jid: &BareJid) -> Item {
        Item {
            jid: jid.clone(),
            name: self.name.clone(),
            subscription: match (self.to, self.from) {
                (true, true) => Subscription::Both,
                (true, false) => Subscription::To,
                (false, true) => Subscription::From,
                (false, false) => Subscription::None,
            },
            ask: if self.ask { Ask::Subscribe } else { Ask::None },
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
        assert_eq!(roster.items()[0].subscription, Subscription::From);
        assert_eq!(
            roster.inbound(&bot(), Subscribe).unwrap().answer,
            Some(Subscribed)
        );
        assert_eq!(roster.remove(&bot()), Some((false, true)));
        assert_eq!(roster.item(&bot()).subscription, Subscription::Remove);
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
