//! From bots at the broker to the server.

use std::collections::HashMap;
use std::sync::Arc;

use async_nats::Client;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::{AckKind, Context};
use campanile::error::BoxError;
use campanile::stanza::{Kind, Stanza};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use serde_json::json;

use super::in_progress::{ACK_WAIT, InProgress, UnackedMessage};
use super::subject::Names;
use crate::mapping::{self, Fault};
use crate::outbox::{Direction, Entry, ExternalAck};
use crate::permissions::Permissions;
use crate::to_server::SendOutcome;
use crate::to_webhook::Delivery;

/// Messages that may be on their way to the server; the others wait at the broker.
const MAX_IN_PROGRESS: usize = 1000;
/// All bridges share this consumer.
const CONSUMER: &str = "bridge";

/// Takes what bots send.
pub(super) struct Outbound {
    client: Client,
    names: Names,
    /// By the bot's token.
    permissions: HashMap<String, Permissions>,
    in_progress: InProgress,
    delivery: Arc<Delivery>,
}

impl Outbound {
    pub(super) fn new(
        client: Client,
        names: Names,
        permissions: HashMap<String, Permissions>,
        delivery: Arc<Delivery>,
    ) -> Self {
        Self {
            client,
            names,
            permissions,
            in_progress: InProgress::default(),
            delivery,
        }
    }

    /// Takes until the broker is gone.
    pub(super) async fn run(&self, jetstream: &Context) -> Result<(), BoxError> {
        let stream = jetstream.get_stream(self.names.stream("out")).await?;
        let config = pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: i64::try_from(MAX_IN_PROGRESS)?,
            ..pull::Config::default()
        };
        let consumer: PullConsumer = stream.get_or_create_consumer(CONSUMER, config).await?;
        let mut messages = consumer.messages().await?;
        // Begun in their order, they are written in their order.
        let mut sending = FuturesUnordered::new();
        loop {
            tokio::select! {
                message = messages.next(), if sending.len() < MAX_IN_PROGRESS => {
                    let Some(message) = message else { return Ok(()) };
                    sending.extend(self.in_progress.track(message?).map(|unacked| self.process(unacked)));
                }
                Some(()) = sending.next() => {}
            }
        }
    }

    async fn process(&self, unacked: UnackedMessage) {
        let bot = unacked
            .message()
            .subject
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_owned();
        let stanzas = match self.read(&bot, &unacked) {
            Ok(stanzas) => stanzas,
            Err(fault) => return self.refuse(&bot, &unacked, &fault).await,
        };
        let accepted = unacked.published();
        let outcomes = join_all(
            stanzas
                .iter()
                .map(|stanza| self.delivery.to_server.send(stanza, accepted)),
        )
        .await;
        for (stanza, outcome) in stanzas.iter().zip(&outcomes) {
            match outcome {
                SendOutcome::Confirmed => drop(self.delivery.metrics.accepted.add(1)),
                SendOutcome::Invalid(why) => self.say(&bot, &unacked, &Fault::field("", why)).await,
                SendOutcome::GivenUp(why) => self.dead_letter(&bot, stanza, accepted, why).await,
                // The next process takes all of them again, with the same ids.
                SendOutcome::Interrupted => return,
            }
        }
        unacked.ack().await;
    }

    /// The stanzas of one message, as the bot may send them.
    fn read(&self, bot: &str, unacked: &UnackedMessage) -> Result<Vec<Stanza>, Fault> {
        let permissions = self
            .permissions
            .get(bot)
            .ok_or_else(|| Fault::field("", "the bridge has no such bot"))?;
        let text = std::str::from_utf8(&unacked.message().payload)
            .map_err(|why| Fault::syntax("", why))?;
        let id = unacked
            .id()
            .unwrap_or_else(|| format!("{}-{}", self.names.stream("out"), unacked.sequence()));
        let one = |(at, stanza): (usize, Stanza)| {
            if !matches!(stanza.kind(), Kind::Message(_) | Kind::Presence(_)) {
                return Err(Fault::field(
                    "kind",
                    "only messages and presence are sent from here; ask by POST /v1/iq",
                ));
            }
            let stanza = permissions
                .address(stanza)
                .map_err(|denied| Fault::field(denied.field(), &denied))?;
            let own = stanza
                .id()
                .map_or_else(|| format!("{id}-{at}"), str::to_owned);
            Ok(stanza.with_id(own))
        };
        mapping::many_from_json(text)?
            .into_iter()
            .enumerate()
            .map(one)
            .collect()
    }

    async fn refuse(&self, bot: &str, unacked: &UnackedMessage, fault: &Fault) {
        self.say(bot, unacked, fault).await;
        if let Err(error) = unacked.message().ack_with(AckKind::Term).await {
            tracing::warn!("the broker cannot be told that a message is refused: {error}");
        }
    }

    /// Counted, logged, and told to whoever listens.
    async fn say(&self, bot: &str, unacked: &UnackedMessage, fault: &Fault) {
        self.delivery.metrics.bad_answers.add(1);
        tracing::warn!(
            bot,
            sequence = unacked.sequence(),
            "not sent for a bot: {fault}"
        );
        let told = json!({"id": unacked.id(), "sequence": unacked.sequence(), "field": fault.path(), "detail": fault.why()});
        if let Err(error) = self
            .client
            .publish(self.names.refused(bot), told.to_string().into())
            .await
        {
            tracing::warn!("the broker cannot be told why: {error}");
        }
    }

    /// What was given up stays for the operator, where there is an outbox.
    async fn dead_letter(&self, bot: &str, stanza: &Stanza, received: i64, why: &str) {
        let id = stanza.id().unwrap_or_default().to_owned();
        let peer = stanza
            .to()
            .map(|to| to.to_bare().to_string())
            .unwrap_or_default();
        self.delivery.metrics.dead.add(1);
        tracing::warn!(bot, id, to = peer, "not sent: {why}");
        let entry = Entry {
            seq: 0,
            direction: Direction::ToServer,
            id,
            bot: bot.to_owned(),
            peer,
            xml: stanza.to_xml(),
            received,
        };
        self.delivery.dead_letter(entry, why).await;
    }
}
