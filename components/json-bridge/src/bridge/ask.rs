//! IQ requests to bots.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use campanile::error::{BoxError, Condition};
use campanile::reply::{Deferred, Reply};
use campanile::stanza::Stanza;

use super::Bridge;
use crate::settings::Bot;
use crate::state::{event, json};
use crate::to_webhook;
use crate::webhook::Outcome;

impl Bridge {
    /// Passes an IQ request to the bot, once. IQs are never stored in the outbox.
    pub(super) fn ask(&self, bot: &Bot, stanza: Arc<Stanza>) -> Result<Reply, BoxError> {
        let running = Arc::clone(self.running()?);
        let key = to_webhook::key(bot);
        let within = self.settings.iq_timeout;
        let event = event(&key, &stanza, json(&stanza, bot)?);
        let body = Bytes::from(event.json.clone());
        running.record_event(event);
        let has_hook = bot.webhook.is_some();
        if !has_hook && running.broker.is_none() {
            return Err(Condition::ServiceUnavailable.into());
        }
        let (later, answer) = Deferred::channel();
        self.spawn("iq request", async move {
            let outcome = match &running.broker {
                Some(broker) if !has_hook => broker.ask(&key, body, within).await,
                _ => running.delivery.ask(&key, body, within).await,
            };
            answer.send(match outcome {
                Outcome::Taken(answer) => {
                    let reply = answer.json().and_then(|json| match json {
                        Some(json) => {
                            to_webhook::answer_of(&stanza, &json).map_err(|fault| fault.to_string())
                        }
                        None => Ok(Reply::Empty),
                    });
                    reply.unwrap_or_else(|why| {
                        running.delivery.metrics.bad_answers.add(1);
                        tracing::warn!(bot = key, "response of the bot to an iq rejected: {why}");
                        Reply::Error(Condition::InternalServerError.into())
                    })
                }
                Outcome::Refused(error) | Outcome::Retry { error, .. } => Reply::Error(error),
                Outcome::Gone => Reply::Error(Condition::Gone.into()),
            });
        });
        Ok(Reply::Deferred(
            later.within(within + Duration::from_secs(5)),
        ))
    }
}
