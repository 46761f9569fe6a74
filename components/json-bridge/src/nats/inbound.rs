//! From the broker to webhooks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use campanile::error::BoxError;
use futures_util::StreamExt;

use super::held::{Held, Here, SILENCE};
use super::subject::{Names, token};
use crate::deliver::Delivery;
use crate::mapping;
use crate::outbox::{Entry, Letter, Parcel, Way};

/// Messages of one bot that may be on their way to its webhook; the others wait at the broker.
const MOST: i64 = 1000;

/// Takes what is for one bot with a webhook.
pub(super) struct Inbound {
    bot: String,
    names: Names,
    /// Another process may be taking as well.
    shared: bool,
    begun: AtomicBool,
    here: Here,
    delivery: Arc<Delivery>,
}

impl Inbound {
    pub(super) fn new(bot: String, names: Names, shared: bool, delivery: Arc<Delivery>) -> Self {
        Self {
            bot,
            names,
            shared,
            begun: AtomicBool::new(false),
            here: Here::default(),
            delivery,
        }
    }

    /// Takes until the broker is gone.
    pub(super) async fn run(&self, jetstream: &Context) -> Result<(), BoxError> {
        let stream = jetstream.get_stream(self.names.stream("in")).await?;
        let name = token(&self.bot);
        if !self.shared && !self.begun.load(Ordering::Relaxed) {
            // What the process before had taken and not done would come only after SILENCE, behind
            // what is newer. A new consumer begins with the oldest. An error says that there was
            // none.
            let _ = stream.delete_consumer(&name).await;
        }
        let config = pull::Config {
            durable_name: Some(name.clone()),
            filter_subject: self.names.all_of(&self.bot),
            ack_policy: AckPolicy::Explicit,
            ack_wait: SILENCE,
            max_ack_pending: MOST,
            ..pull::Config::default()
        };
        let consumer: PullConsumer = stream.get_or_create_consumer(&name, config).await?;
        let mut messages = consumer.messages().await?;
        self.begun.store(true, Ordering::Relaxed);
        while let Some(message) = messages.next().await {
            if let Some(held) = self.here.hold(message?) {
                self.take(held).await;
            }
        }
        Ok(())
    }

    async fn take(&self, held: Held) {
        let body = held.message().payload.clone();
        let stanza = std::str::from_utf8(&body)
            .ok()
            .and_then(|json| mapping::from_json(json).ok());
        let Some(stanza) = stanza else {
            tracing::error!(
                bot = self.bot,
                sequence = held.sequence(),
                "what is in the stream is no stanza"
            );
            return held.done().await;
        };
        let id = held
            .id()
            .unwrap_or_else(|| format!("msg_{}", held.sequence()));
        let peer = stanza
            .from()
            .map(|from| from.to_bare().to_string())
            .unwrap_or_default();
        let bot = self.bot.clone();
        let xml = stanza.to_xml();
        let received = held.published();
        // The consumer bounds how many there are.
        let place = self.delivery.room.force(&peer, xml.len() + body.len());
        let entry = Entry {
            seq: 0,
            way: Way::Hook,
            id,
            bot,
            peer,
            xml,
            received,
        };
        let letter = Some(Arc::new(held) as Arc<dyn Letter>);
        self.delivery.push(Parcel {
            entry,
            body,
            namespaces: String::new(),
            _place: place,
            letter,
        });
    }
}
