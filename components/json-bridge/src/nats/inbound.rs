//! Delivery from the broker to webhooks.

use std::sync::Arc;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use campanile::error::BoxError;
use futures_util::StreamExt;

use super::in_progress::{ACK_WAIT, InProgress, UnackedMessage};
use super::subject::{Names, token};
use crate::labels::Labels;
use crate::mapping;
use crate::outbox::{Direction, Entry, ExternalAck, QueuedEvent};
use crate::to_webhook::Delivery;

/// Maximum number of messages per bot that are being delivered; others wait at the broker.
const MAX_IN_PROGRESS: i64 = 1000;

/// The consumer for one bot with a webhook.
pub(super) struct Inbound {
    bot: String,
    names: Names,
    /// `true` if other processes consume from the same stream.
    shared: bool,
    in_progress: InProgress,
    delivery: Arc<Delivery>,
}

impl Inbound {
    pub(super) fn new(bot: String, names: Names, shared: bool, delivery: Arc<Delivery>) -> Self {
        Self {
            bot,
            names,
            shared,
            in_progress: InProgress::new(delivery.metrics.tasks.clone()),
            delivery,
        }
    }

    /// Consumes messages until the connection to the broker ends.
    pub(super) async fn run(&self, jetstream: &Context) -> Result<(), BoxError> {
        let stream = jetstream.get_stream(self.names.stream("in")).await?;
        let name = token(&self.bot);
        if !self.shared {
            // Messages that were fetched but not taken, by an earlier process or before the
            // connection was lost, would be redelivered only after ACK_WAIT, behind newer ones. A
            // new consumer starts with the oldest message; those in progress are skipped. An error
            // means that there was no consumer.
            let _ = stream.delete_consumer(&name).await;
        }
        let config = pull::Config {
            durable_name: Some(name.clone()),
            filter_subject: self.names.all_of(&self.bot),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: MAX_IN_PROGRESS,
            ..pull::Config::default()
        };
        let consumer: PullConsumer = stream.get_or_create_consumer(&name, config).await?;
        let mut messages = consumer.messages().await?;
        while let Some(message) = messages.next().await {
            if let Some(unacked) = self.in_progress.track(message?) {
                self.take(unacked).await;
            }
        }
        Ok(())
    }

    async fn take(&self, unacked: UnackedMessage) {
        let body = unacked.message().payload.clone();
        let stanza = std::str::from_utf8(&body)
            .ok()
            .and_then(|json| mapping::from_json(json).ok());
        let Some(stanza) = stanza else {
            tracing::error!(
                bot = self.bot,
                sequence = unacked.sequence(),
                "stream message dropped, it is not a valid stanza"
            );
            return unacked.ack().await;
        };
        let id = unacked.id().unwrap_or_else(|| unacked.fallback_id("msg_"));
        let peer = stanza
            .from()
            .map(|from| from.to_bare().to_string())
            .unwrap_or_default();
        let bot = self.bot.clone();
        let xml = stanza.to_xml();
        let received = unacked.published();
        // The number of messages is already limited by the consumer.
        let permit = self
            .delivery
            .quota
            .acquire_unchecked(&peer, xml.len() + body.len());
        let entry = Entry {
            seq: 0,
            direction: Direction::ToWebhook,
            id,
            bot,
            peer,
            xml,
            received,
        };
        let ack = Some(Arc::new(unacked) as Arc<dyn ExternalAck>);
        self.delivery.push(QueuedEvent {
            entry,
            body,
            labels: Labels::default(),
            _permit: permit,
            ack,
        });
    }
}
