//! Delivery from bots behind the broker to the XMPP server.

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

/// Maximum number of messages in flight to the server; others wait at the broker.
const MAX_IN_PROGRESS: usize = 1000;
/// The name of the durable consumer that all bridges share.
const CONSUMER: &str = "bridge";

/// The consumer of stanzas that bots send.
pub(super) struct Outbound {
    client: Client,
    names: Names,
    /// The permissions of each bot, by its subject token.
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
            in_progress: InProgress::new(delivery.metrics.tasks.clone()),
            delivery,
        }
    }

    /// Consumes messages until the connection to the broker ends.
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
        // Messages are started in order, so their stanzas are written in order.
        let mut sending = FuturesUnordered::new();
        loop {
            tokio::select! {
                message = messages.next(), if sending.len() < MAX_IN_PROGRESS => {
                    let Some(message) = message else { return Ok(()) };
                    let unacked = self.in_progress.track(message?);
                    sending.extend(unacked.map(|unacked| self.process(unacked)));
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
            Err(fault) => return self.terminate(&bot, &unacked, &fault).await,
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
                SendOutcome::Invalid(why) => {
                    self.reject(&bot, &unacked, &Fault::field("", why)).await;
                }
                SendOutcome::GivenUp(why) => self.dead_letter(&bot, stanza, accepted, why).await,
                // The next process sends all of them again, with the same ids.
                SendOutcome::Interrupted => return,
            }
        }
        unacked.ack().await;
    }

    /// Parses the stanzas of a message and checks them against the permissions of the bot.
    fn read(&self, bot: &str, unacked: &UnackedMessage) -> Result<Vec<Stanza>, Fault> {
        let permissions = self
            .permissions
            .get(bot)
            .ok_or_else(|| Fault::field("", "unknown bot"))?;
        let text = std::str::from_utf8(&unacked.message().payload)
            .map_err(|why| Fault::syntax("", why))?;
        let text = mapping::without_bom(text);
        let id = unacked
            .id()
            .unwrap_or_else(|| unacked.fallback_id(&format!("{}-", self.names.stream("out"))));
        let one = |(at, stanza): (usize, Stanza)| {
            if !matches!(stanza.kind(), Kind::Message(_) | Kind::Presence(_)) {
                return Err(Fault::field(
                    "kind",
                    "only messages and presence can be sent here; send iq requests by POST /v1/iq",
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

    async fn terminate(&self, bot: &str, unacked: &UnackedMessage, fault: &Fault) {
        self.reject(bot, unacked, fault).await;
        if let Err(error) = unacked.latest().ack_with(AckKind::Term).await {
            tracing::warn!("termination of a rejected message failed: {error}");
        }
    }

    /// Counts and logs a rejected message, and publishes the reason on `PREFIX.refused.BOT`.
    async fn reject(&self, bot: &str, unacked: &UnackedMessage, fault: &Fault) {
        self.delivery.metrics.bad_answers.add(1);
        tracing::warn!(
            bot,
            sequence = unacked.sequence(),
            "message from a bot rejected: {fault}"
        );
        let rejection = json!({
            "id": unacked.id(),
            "sequence": unacked.sequence(),
            "field": fault.path(),
            "detail": fault.why()
        });
        if let Err(error) = self
            .client
            .publish(self.names.refused(bot), rejection.to_string().into())
            .await
        {
            tracing::warn!("rejection not published: {error}");
        }
    }

    /// Counts and logs a stanza that was given up, and stores it as a dead letter if there is an
    /// outbox.
    async fn dead_letter(&self, bot: &str, stanza: &Stanza, received: i64, why: &str) {
        let id = stanza.id().unwrap_or_default().to_owned();
        let peer = stanza
            .to()
            .map(|to| to.to_bare().to_string())
            .unwrap_or_default();
        self.delivery.metrics.dead.add(1);
        tracing::warn!(bot, id, to = peer, "stanza not sent: {why}");
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
