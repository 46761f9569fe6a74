//! Presence and presence subscriptions of accounts (RFC 6121 §3 and §4).

use jid::{BareJid, Jid};

use super::iq::presence;
use super::roster::{Outcome, Roster};
use super::{ResourceFilter, account::Account};
use crate::host::raw_stanza::RawStanza;
use crate::host::state::{Shared, State};
use campanile::error::{Condition, ErrorType, StanzaError};
use campanile::stanza::{Kind, PresenceType, Stanza};

impl Shared {
    /// Handles a stanza from a client whose sender has been verified.
    pub(super) async fn client_sends(&self, client: &Jid, stanza: Stanza) {
        let account = client.to_bare();
        let own = stanza.to().is_none_or(|to| *to == account);
        match stanza.kind() {
            Kind::Presence(PresenceType::Available | PresenceType::Unavailable)
                if stanza.to().is_none() =>
            {
                self.broadcast(&account, client, stanza);
            }
            // RFC 6120 §10.3.1 and §10.3.3.
            Kind::Iq(_) if own && stanza.kind().is_response() => self.count_dropped(),
            Kind::Iq(_) if own => self.answer_for_account(&account, &stanza),
            Kind::Message(_) if stanza.to().is_none() => self.deliver(&stanza.with_to(account)),
            Kind::Presence(
                PresenceType::Subscribe
                | PresenceType::Subscribed
                | PresenceType::Unsubscribe
                | PresenceType::Unsubscribed,
            ) => self.subscription_of(&account, stanza).await,
            kind => {
                if let (Kind::Presence(kind), Some(to)) = (kind, stanza.to()) {
                    let available = kind == PresenceType::Available;
                    self.with_account(&account, |account| {
                        account.resource(client).map(|r| r.directed(to, available))
                    });
                }
                self.deliver_waiting(RawStanza::from(stanza)).await;
            }
        }
    }

    /// Broadcasts presence to all subscribers (RFC 6121 §4.2 to §4.5).
    fn broadcast(&self, account: &BareJid, client: &Jid, stanza: Stanza) {
        let available = stanza.kind() == Kind::Presence(PresenceType::Available);
        let known = self.with_account(account, |account| {
            let resource = account.resource(client)?;
            let first = available && resource.presence.is_none();
            let directed = if available {
                Vec::new()
            } else {
                resource.take_directed()
            };
            resource.presence = available.then(|| stanza.clone());
            Some((first, directed))
        });
        let Some((first, directed)) = known.flatten() else {
            return;
        };
        let watchers = self
            .with_roster(account, |roster| roster.watchers())
            .unwrap_or_default();
        let to_all = watchers.into_iter().map(Jid::from).chain(directed);
        // To the account's own resources, including this one.
        for to in to_all.chain([account.clone().into()]) {
            self.deliver(&stanza.clone().with_to(to));
        }
        if !available {
            // RFC 6121 §4.5.2: the client itself receives it too, although it is now unavailable.
            self.deliver_to(
                account,
                ResourceFilter::Full(client),
                &stanza.with_to(client.clone()),
            );
        } else if first {
            self.begin(account, client);
        }
    }

    /// Handles the initial presence of a client: sends it the presence of other resources, probes
    /// contacts, and delivers pending subscription requests.
    fn begin(&self, account: &BareJid, client: &Jid) {
        let others = self
            .presences(account)
            .into_iter()
            .filter(|other| other.from() != Some(client));
        for other in others {
            self.deliver_to(
                account,
                ResourceFilter::Full(client),
                &other.with_to(client.clone()),
            );
        }
        let (watched, asking) = self
            .with_roster(account, |roster| (roster.watched(), roster.asking()))
            .unwrap_or_default();
        for contact in watched {
            self.deliver(&presence(
                client.clone(),
                contact.into(),
                PresenceType::Probe,
            ));
        }
        for contact in asking {
            let asks = presence(
                contact.into(),
                account.clone().into(),
                PresenceType::Subscribe,
            );
            self.deliver_to(account, ResourceFilter::Full(client), &asks);
        }
    }

    /// Sends unavailable presence for a client that disconnected without it (RFC 6121 §4.5.2 and
    /// §4.6.3).
    pub(super) fn say_unavailable(
        &self,
        account: &BareJid,
        client: &Jid,
        was_available: bool,
        directed: Vec<Jid>,
    ) {
        let mut recipients = directed;
        if was_available {
            recipients.extend(
                self.with_roster(account, |roster| roster.watchers())
                    .into_iter()
                    .flatten()
                    .map(Jid::from),
            );
            recipients.push(account.clone().into());
        }
        for to in recipients {
            self.deliver(&presence(client.clone(), to, PresenceType::Unavailable));
        }
    }

    /// Handles an outbound subscription stanza (RFC 6121 §3).
    async fn subscription_of(&self, account: &BareJid, stanza: Stanza) {
        let (Some(to), Kind::Presence(kind)) = (stanza.to(), stanza.kind()) else {
            return;
        };
        let contact = to.to_bare();
        let outcome = self.with_roster(account, |roster| roster.outbound(&contact, kind));
        let Some(outcome) = outcome.flatten() else {
            let full = StanzaError::new(Condition::ResourceConstraint).with_type(ErrorType::Wait);
            return self.bounce(&stanza, &full);
        };
        if outcome.push {
            self.push_item(account, &contact);
        }
        if outcome.pass {
            // RFC 6121 §3.1.2: subscriptions are between bare JIDs.
            let stanza = stanza.with_from(account.clone()).with_to(contact.clone());
            self.deliver_waiting(RawStanza::from(stanza)).await;
        }
        self.show(account, &contact, &outcome);
    }

    /// Handles an inbound subscription stanza (RFC 6121 §3).
    pub(super) fn subscription_for(&self, account: &BareJid, stanza: &Stanza) {
        let (Some(from), Kind::Presence(kind)) = (stanza.from(), stanza.kind()) else {
            return;
        };
        let contact = from.to_bare();
        let Some(outcome) = self
            .with_roster(account, |roster| roster.inbound(&contact, kind))
            .flatten()
        else {
            self.count_dropped();
            return;
        };
        if let Some(answer) = outcome.answer {
            self.deliver(&presence(
                account.clone().into(),
                contact.clone().into(),
                answer,
            ));
        }
        if outcome.pass {
            self.deliver_to(account, ResourceFilter::Available, stanza);
        }
        if outcome.push {
            self.push_item(account, &contact);
        }
        self.show(account, &contact, &outcome);
    }

    /// Sends a contact the presence that it has gained or lost permission to see.
    fn show(&self, account: &BareJid, contact: &BareJid, outcome: &Outcome) {
        match outcome.seen {
            Some(true) => self.show_to(account, &contact.clone().into()),
            Some(false) => self.hide_from(account, contact),
            None => {}
        }
    }

    fn show_to(&self, account: &BareJid, to: &Jid) {
        for shown in self.presences(account) {
            self.deliver(&shown.with_to(to.clone()));
        }
    }

    pub(super) fn hide_from(&self, account: &BareJid, contact: &BareJid) {
        for shown in self.presences(account) {
            if let Some(from) = shown.from().cloned() {
                self.deliver(&presence(
                    from,
                    contact.clone().into(),
                    PresenceType::Unavailable,
                ));
            }
        }
    }

    /// Replies to a presence probe (RFC 6121 §4.3.2).
    pub(super) fn probed(&self, account: &BareJid, stanza: &Stanza) {
        let Some(from) = stanza.from() else { return };
        let watcher = from.to_bare();
        let allowed = watcher == *account
            || self
                .with_roster(account, |roster| roster.is_watcher(&watcher))
                .is_some_and(|watches| watches);
        let own = Jid::from(account.clone());
        if !allowed {
            self.deliver(&presence(own, watcher.into(), PresenceType::Unsubscribed));
        } else if self.presences(account).is_empty() {
            self.deliver(&presence(own, from.clone(), PresenceType::Unavailable));
        } else {
            self.show_to(account, from);
        }
    }

    /// Returns the last broadcast presence of each available resource.
    fn presences(&self, account: &BareJid) -> Vec<Stanza> {
        let presences = |account: &mut Account| {
            account
                .resources
                .iter()
                .filter_map(|r| r.presence.clone())
                .collect()
        };
        self.with_account(account, presences).unwrap_or_default()
    }

    pub(super) fn with_roster<T>(
        &self,
        account: &BareJid,
        act: impl FnOnce(&mut Roster) -> T,
    ) -> Option<T> {
        self.with_account(account, |account| act(&mut account.roster))
    }

    fn with_account<T>(&self, account: &BareJid, act: impl FnOnce(&mut Account) -> T) -> Option<T> {
        let mut state = self.state();
        let State { accounts, .. } = &mut *state;
        accounts.get_mut(account).map(act)
    }
}
