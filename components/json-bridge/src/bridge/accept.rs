//! Messages and presence for bots.

use std::sync::Arc;

use campanile::error::{BoxError, Condition, StanzaError};
use campanile::reply::{Deferred, Reply};
use campanile::stanza::Stanza;
use tokio::sync::oneshot;

use super::Bridge;
use super::receipt::receipt;
use crate::labels::Labels;
use crate::nats::Broker;
use crate::outbox::QueuedEvent;
use crate::settings::Bot;
use crate::state::{Running, entry, event, json};
use crate::to_webhook;

impl Bridge {
    /// Accepts a message or presence for a bot.
    ///
    /// The stanza is handed to the outbox, the broker or the in-memory queue. The handler does not
    /// wait for its delivery.
    pub(super) fn accept(&self, bot: &Bot, stanza: &Stanza) -> Result<Reply, BoxError> {
        let running = self.running()?;
        let key = to_webhook::key(bot);
        if bot.webhook.is_some() && running.delivery.is_gone(&key) {
            return Err(Condition::Gone.into());
        }
        let json = json(stanza, bot)?;
        if let Some(broker) = &running.broker {
            return self.publish(running, broker, &key, stanza, json);
        }
        if bot.webhook.is_some() {
            return self.enqueue(running, &key, stanza, json);
        }
        // A bot without a webhook reads events.
        let event = event(&key, stanza, json);
        Ok(match &running.outbox {
            Some(outbox) => self.defer(outbox.event(event), receipt(stanza)),
            None => {
                running.feed.publish(event);
                Reply::Empty
            }
        })
    }

    /// Hands a stanza to the broker.
    fn publish(
        &self,
        running: &Running,
        broker: &Broker,
        key: &str,
        stanza: &Stanza,
        json: String,
    ) -> Result<Reply, BoxError> {
        let stored = broker.publish(key, stanza, json.clone());
        running.record_event(event(key, stanza, json));
        Ok(self.defer(
            stored.ok_or_else(|| self.reject_over_quota("the broker is not keeping up"))?,
            receipt(stanza),
        ))
    }

    /// Queues a stanza for the bot's webhook, through the outbox if there is one.
    fn enqueue(
        &self,
        running: &Running,
        key: &str,
        stanza: &Stanza,
        json: String,
    ) -> Result<Reply, BoxError> {
        let entry = entry(key, stanza);
        let permit = running
            .delivery
            .quota
            .try_acquire(&entry.peer, entry.xml.len() + json.len());
        let permit = permit.ok_or_else(|| self.reject_over_quota("the webhook queue is full"))?;
        if let Some(outbox) = &running.outbox {
            let queued = QueuedEvent {
                entry,
                body: json.into(),
                labels: Labels::of(stanza),
                _permit: permit,
                ack: None,
            };
            return Ok(self.defer(outbox.put(queued), receipt(stanza)));
        }
        if running.feed.is_read() {
            running.feed.publish(event(key, stanza, json.clone()));
        }
        running.delivery.push(QueuedEvent {
            entry,
            body: json.into(),
            labels: Labels::default(),
            _permit: permit,
            ack: None,
        });
        Ok(Reply::Empty)
    }

    /// Replies once the stanza is stored: with the receipt, or with `resource-constraint` if
    /// storing fails.
    ///
    /// A receipt must not be sent before the message is stored (XEP-0184 §5.4).
    fn defer(&self, stored: oneshot::Receiver<()>, receipt: Option<Stanza>) -> Reply {
        let (later, answer) = Deferred::channel();
        let metrics = Arc::clone(&self.metrics);
        let replying = async move {
            match stored.await {
                Ok(()) => answer
                    .send(receipt.map_or(Reply::Empty, |receipt| Reply::Stanza(Box::new(receipt)))),
                Err(_) => {
                    metrics.turned_away.add(1);
                    answer.fail(StanzaError::new(Condition::ResourceConstraint));
                }
            }
        };
        // A dropped answer replies with an error.
        self.spawn("receipt", replying);
        Reply::Deferred(later)
    }

    /// Counts a rejected message and returns the error for its sender.
    ///
    /// Only every 1,000th rejection is logged, so that a flood does not fill the log.
    fn reject_over_quota(&self, why: &str) -> BoxError {
        let before = self.metrics.turned_away.add(1);
        if before.is_multiple_of(1000) {
            tracing::warn!(rejected_before = before, "message rejected: {why}");
        }
        Condition::ResourceConstraint.into()
    }
}
