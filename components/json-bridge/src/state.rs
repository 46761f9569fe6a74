//! The state of a running bridge, and the forms in which it keeps a stanza.

use std::sync::Arc;

use campanile::client::Client;
use campanile::error::{BoxError, Condition, StanzaError};
use campanile::stanza::Stanza;

use crate::clock::now;
use crate::events::Feed;
use crate::labels::Labels;
use crate::mapping;
use crate::nats::Broker;
use crate::outbox::{Direction, Entry, Event, Outbox};
use crate::settings::{Bot, Settings};
use crate::to_server::ToServer;
use crate::to_webhook::Delivery;

/// The parts of a bridge that exist once the module has started.
pub(crate) struct Running {
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) to_server: Arc<ToServer>,
    pub(crate) outbox: Option<Outbox>,
    pub(crate) feed: Feed,
    pub(crate) broker: Option<Broker>,
}

impl Running {
    /// Queues an entry read from disk, in its direction.
    pub(crate) fn resume(self: &Arc<Self>, entry: Entry) {
        match entry.direction {
            Direction::ToWebhook => self.delivery.resume(entry),
            Direction::ToServer => self.to_server.resume(entry),
        }
    }

    /// Adds an event to the feed without waiting for it to be stored.
    pub(crate) fn record_event(&self, event: Event) {
        match &self.outbox {
            // Nothing depends on this event being on disk.
            Some(outbox) => drop(outbox.event(event)),
            None => self.feed.publish(event),
        }
    }
}

pub(crate) fn event(bot: &str, stanza: &Stanza, json: String) -> Event {
    Event {
        seq: 0,
        bot: bot.to_owned(),
        json,
        labels: Labels::of(stanza),
    }
}

pub(crate) fn json(stanza: &Stanza, bot: &Bot) -> Result<String, BoxError> {
    let refused = |why: mapping::Unmappable| {
        StanzaError::new(Condition::BadRequest)
            .with_text(why.to_string())
            .with_lang("en")
    };
    Ok(mapping::to_json(stanza, bot.mode).map_err(refused)?)
}

pub(crate) fn entry(bot: &str, stanza: &Stanza) -> Entry {
    let peer = stanza
        .from()
        .map(|from| from.to_bare().to_string())
        .unwrap_or_default();
    let id = format!("msg_{}", crate::id::fresh());
    Entry {
        seq: 0,
        direction: Direction::ToWebhook,
        id,
        bot: bot.to_owned(),
        peer,
        xml: stanza.to_xml(),
        received: now(),
    }
}
