//! Presence and vCards of bots, served by modules that are mounted beside the bridge.

use std::sync::Arc;

use campanile::jid::{BareJid, Jid};
use campanile::presence::{Decision, RosterBuilder, SubscriptionRequest};
use campanile::router::PatternError;
use campanile::vcard::{VCard, VCardModule};

use crate::settings::{Bot, Settings};

impl Settings {
    /// Adds the vCards of the bots to `cards`.
    ///
    /// A bot without a configured card, but with a name, gets a vCard that contains its name.
    ///
    /// # Errors
    /// Returns an error if a bot's localpart is invalid.
    pub fn cards(&self, cards: VCardModule) -> Result<VCardModule, PatternError> {
        self.bots.iter().try_fold(cards, |cards, bot| {
            let named = || bot.name.as_ref().map(|name| VCard::new().name(name));
            match (&bot.localpart, bot.card.clone().or_else(named)) {
                (Some(localpart), Some(card)) => cards.bot(localpart, card),
                _ => Ok(cards),
            }
        })
    }

    /// Configures the roster of a component that has these bots.
    ///
    /// Each bot announces its own presence to the users that its [`access`](Bot::access) list
    /// admits. `domain` is the component's domain; `others` are localparts to register besides
    /// those of the bots.
    ///
    /// # Panics
    /// Panics if one of the localparts is invalid.
    #[track_caller]
    pub fn roster<'b>(
        &'b self,
        roster: RosterBuilder,
        domain: &BareJid,
        others: impl IntoIterator<Item = &'b str>,
    ) -> RosterBuilder {
        let named = self
            .bots
            .iter()
            .filter_map(|bot| Some((bot.localpart.as_deref()?, bot)));
        let mut roster = roster.bots(named.clone().map(|(localpart, _)| localpart).chain(others));
        if self.bots.iter().any(|bot| bot.localpart.is_none()) {
            // A bot without a localpart answers at every address.
            roster = roster.directory(|_: &BareJid| true);
        }
        for (localpart, bot) in named {
            let address = BareJid::new(&format!("{localpart}@{domain}"));
            if let (Ok(own), Some(availability)) = (address, &bot.availability) {
                roster = roster.availability_of(own, availability.clone());
            }
        }
        let bots: Arc<[Bot]> = self.bots.as_slice().into();
        roster.policy(move |request: &SubscriptionRequest| decide(&bots, request))
    }
}

/// Accepts a subscription if the peer is allowed to write to the bot.
fn decide(bots: &[Bot], request: &SubscriptionRequest) -> Decision {
    let own = request.key.own.node().map(|localpart| localpart.as_str());
    let is_own = |bot: &&Bot| bot.localpart.as_deref() == own;
    let bot = bots
        .iter()
        .find(is_own)
        .or_else(|| bots.iter().find(|bot| bot.localpart.is_none()));
    let peer = Jid::from(request.key.peer.clone());
    if bot.is_none_or(|bot| bot.access.allows(&peer)) {
        Decision::Accept
    } else {
        Decision::Deny
    }
}
