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

use super::held::{Held, Here, SILENCE};
use super::subject::Names;
use crate::deliver::Delivery;
use crate::mapping::{self, Fault};
use crate::outbox::{Entry, Letter, Way};
use crate::rights::Rights;
use crate::sending::Fate;

/// Messages that may be on their way to the server; the others wait at the broker.
const MOST: usize = 1000;
/// All bridges share this consumer.
const CONSUMER: &str = "bridge";

/// Takes what bots send.
pub(super) struct Outbound {
    client: Client,
    names: Names,
    /// By the bot's token.
    rights: HashMap<String, Rights>,
    here: Here,
    delivery: Arc<Delivery>,
}

impl Outbound {
    pub(super) fn new(
        client: Client,
        names: Names,
        rights: HashMap<String, Rights>,
        delivery: Arc<Delivery>,
    ) -> Self {
        Self {
            client,
            names,
            rights,
            here: Here::default(),
            delivery,
        }
    }

    /// Takes until the broker is gone.
    pub(super) async fn run(&self, jetstream: &Context) -> Result<(), BoxError> {
        let stream = jetstream.get_stream(self.names.stream("out")).await?;
        let config = pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: SILENCE,
            max_ack_pending: i64::try_from(MOST)?,
            ..pull::Config::default()
        };
        let consumer: PullConsumer = stream.get_or_create_consumer(CONSUMER, config).await?;
        let mut messages = consumer.messages().await?;
        // Begun in their order, they are written in their order.
        let mut sending = FuturesUnordered::new();
        loop {
            tokio::select! {
                message = messages.next(), if sending.len() < MOST => {
                    let Some(message) = message else { return Ok(()) };
                    sending.extend(self.here.hold(message?).map(|held| self.carry(held)));
                }
                Some(()) = sending.next() => {}
            }
        }
    }

    async fn carry(&self, held: Held) {
        let bot = held
            .message()
            .subject
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_owned();
        let stanzas = match self.read(&bot, &held) {
            Ok(stanzas) => stanzas,
            Err(fault) => return self.refuse(&bot, &held, &fault).await,
        };
        let accepted = held.published();
        let fates = join_all(
            stanzas
                .iter()
                .map(|stanza| self.delivery.sending.send(stanza, accepted)),
        )
        .await;
        for (stanza, fate) in stanzas.iter().zip(&fates) {
            match fate {
                Fate::Taken => drop(self.delivery.counters.accepted.add(1)),
                Fate::Unwritable(why) => self.say(&bot, &held, &Fault::field("", why)).await,
                Fate::GivenUp(why) => self.bury(&bot, stanza, accepted, why).await,
                // The next process takes all of them again, with the same ids.
                Fate::Left => return,
            }
        }
        held.done().await;
    }

    /// The stanzas of one message, as the bot may send them.
    fn read(&self, bot: &str, held: &Held) -> Result<Vec<Stanza>, Fault> {
        let rights = self
            .rights
            .get(bot)
            .ok_or_else(|| Fault::field("", "the bridge has no such bot"))?;
        let text =
            std::str::from_utf8(&held.message().payload).map_err(|why| Fault::syntax("", why))?;
        let id = held
            .id()
            .unwrap_or_else(|| format!("{}-{}", self.names.stream("out"), held.sequence()));
        let one = |(at, stanza): (usize, Stanza)| {
            if !matches!(stanza.kind(), Kind::Message(_) | Kind::Presence(_)) {
                return Err(Fault::field(
                    "kind",
                    "only messages and presence are sent from here; ask by POST /v1/iq",
                ));
            }
            let stanza = rights
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

    async fn refuse(&self, bot: &str, held: &Held, fault: &Fault) {
        self.say(bot, held, fault).await;
        if let Err(error) = held.message().ack_with(AckKind::Term).await {
            tracing::warn!("the broker cannot be told that a message is refused: {error}");
        }
    }

    /// Counted, logged, and told to whoever listens.
    async fn say(&self, bot: &str, held: &Held, fault: &Fault) {
        self.delivery.counters.bad_answers.add(1);
        tracing::warn!(
            bot,
            sequence = held.sequence(),
            "not sent for a bot: {fault}"
        );
        let told = json!({"id": held.id(), "sequence": held.sequence(), "field": fault.path(), "detail": fault.why()});
        if let Err(error) = self
            .client
            .publish(self.names.refused(bot), told.to_string().into())
            .await
        {
            tracing::warn!("the broker cannot be told why: {error}");
        }
    }

    /// What was given up stays for the operator, where there is an outbox.
    async fn bury(&self, bot: &str, stanza: &Stanza, received: i64, why: &str) {
        let id = stanza.id().unwrap_or_default().to_owned();
        let peer = stanza
            .to()
            .map(|to| to.to_bare().to_string())
            .unwrap_or_default();
        self.delivery.counters.dead.add(1);
        tracing::warn!(bot, id, to = peer, "not sent: {why}");
        let entry = Entry {
            seq: 0,
            way: Way::Server,
            id,
            bot: bot.to_owned(),
            peer,
            xml: stanza.to_xml(),
            received,
        };
        self.delivery.bury(entry, why).await;
    }
}
