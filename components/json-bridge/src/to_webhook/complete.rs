//! The end of a delivery: replies, errors and dead letters.

use std::sync::Arc;
use std::time::Duration;

use campanile::error::StanzaError;
use campanile::reply::{Reply, permits_reply};
use campanile::stanza::{Kind, MessageType, Stanza};
use futures_util::FutureExt;
use futures_util::future::{Shared, join_all};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{Delivery, replies_of};
use crate::clock::now;
use crate::mapping;
use crate::outbox::{Direction, Entry, ExternalAck, QueuedEvent};
use crate::settings::Bot;
use crate::to_server::{SendOutcome, ToServer};
use crate::webhook::Answer;

/// Time for which the next message of a lane waits for the server to confirm the previous reply.
const CONFIRM_WAIT: Duration = Duration::from_secs(5);

impl Delivery {
    /// Returns the stanzas that a webhook's response sends.
    pub(super) fn replies(&self, bot: &Bot, entry: &Entry, answer: Answer) -> Vec<Stanza> {
        let ignored = |why: &str| {
            self.metrics.bad_answers.add(1);
            tracing::warn!(
                bot = entry.bot,
                id = entry.id,
                "webhook response ignored, it is not a valid reply: {why}"
            );
            Vec::new()
        };
        let json = match answer.json() {
            Ok(Some(json)) => json,
            Ok(None) => return Vec::new(),
            Err(why) => return ignored(&why),
        };
        let Ok(stanza) = mapping::from_xml(&entry.xml) else {
            return Vec::new();
        };
        if !permits_reply(&stanza) || is_own_reflection(&stanza) {
            self.metrics.dropped_answers.add(1);
            tracing::info!(
                bot = entry.bot,
                id = entry.id,
                from = entry.peer,
                kind = stanza.kind().type_str(),
                "webhook response dropped; errors, own messages and room history get no reply"
            );
            return Vec::new();
        }
        replies_of(&stanza, bot, &json).unwrap_or_else(|why| ignored(&why.to_string()))
    }

    /// Completes a message, or gives it up if `dead` has a reason, and sends the resulting stanzas.
    ///
    /// On disk, the stanzas replace the message in one transaction. Sending them therefore does not
    /// have to wait for the disk: until the stanzas are stored, the message still is, and after a
    /// `kill -9` it is posted again and the webhook returns the same response.
    pub(super) async fn complete(
        &self,
        queued: &QueuedEvent,
        dead: Option<&str>,
        stanzas: Vec<Stanza>,
    ) {
        let entry = &queued.entry;
        let sends: Vec<_> = stanzas
            .into_iter()
            .enumerate()
            .map(|(at, stanza)| outgoing(entry, at, stanza))
            .collect();
        let entries = sends.iter().map(|(entry, _)| entry.clone()).collect();
        let stored = match (&self.outbox, &queued.ack) {
            (Some(outbox), None) => Some(outbox.complete(entry.seq, dead, entries)),
            (_, ack) => {
                if let (Some(why), Some(_)) = (dead, ack) {
                    self.dead_letter(entry.clone(), why).await;
                }
                None
            }
        };
        let ack = queued.ack.clone();
        if sends.is_empty() {
            return acknowledge(ack.as_deref()).await;
        }
        let permit = self.to_server.reserve(sends.len()).await;
        let sending = send(Arc::clone(&self.to_server), sends, stored, ack, permit);
        let sending = self.runtime.spawn(sending);
        // The task keeps running after the timeout, so that the next messages of the lane do not
        // wait while the connection to the server is down.
        let _ = tokio::time::timeout(CONFIRM_WAIT, sending).await;
    }

    /// Gives a message up: keeps it as a dead letter, and sends its sender an error.
    pub(super) async fn give_up(&self, queued: &QueuedEvent, why: &str, error: StanzaError) {
        let entry = &queued.entry;
        self.metrics.dead.add(1);
        tracing::warn!(
            bot = entry.bot,
            id = entry.id,
            from = entry.peer,
            "message given up, see `campanile outbox list`: {why}"
        );
        self.complete(queued, Some(why), error_reply(entry, error))
            .await;
    }

    /// Stores a dead letter for a message that was not in the outbox, if there is an outbox.
    pub(crate) async fn dead_letter(&self, entry: Entry, why: &str) {
        if let Some(outbox) = &self.outbox {
            // An error means that the disk has failed, which the writer has logged.
            let _ = outbox.dead_letter(entry, why).await;
        }
    }
}

/// Returns the error for the sender of a message, if its kind of stanza takes errors.
pub(super) fn error_reply(entry: &Entry, error: StanzaError) -> Vec<Stanza> {
    let mut due = Vec::new();
    if let Ok(stanza) = mapping::from_xml(&entry.xml) {
        Reply::Error(error).address(&stanza, |stanza| due.push(stanza));
    }
    due
}

/// Returns `true` for a message that a room has sent back to the bot that wrote it.
///
/// The bridge does not know the bot's nickname. It recognizes the ids that [`outgoing`] gives to
/// replies, which rooms preserve (XEP-0045 §7.4). The reply of another bridge's bot is not answered
/// either, because the two would talk to each other without end.
fn is_own_reflection(stanza: &Stanza) -> bool {
    let is_reply = |id: &str| {
        let parts = id.strip_prefix("msg_").and_then(|id| id.rsplit_once('-'));
        parts.is_some_and(|(random, at)| random.len() == 24 && at.parse::<u8>().is_ok())
    };
    stanza.kind() == Kind::Message(MessageType::Groupchat) && stanza.id().is_some_and(is_reply)
}

/// Returns the outbox entry for a stanza that results from a message.
///
/// A stanza without an id gets one that is derived from the message's id, so that it has the same
/// id if another process sends it again.
fn outgoing(entry: &Entry, at: usize, stanza: Stanza) -> (Entry, Stanza) {
    let id = stanza
        .id()
        .map_or_else(|| format!("{}-{at}", entry.id), str::to_owned);
    let stanza = stanza.with_id(&id);
    let peer = stanza
        .to()
        .map(|to| to.to_bare().to_string())
        .unwrap_or_default();
    let bot = entry.bot.clone();
    let xml = stanza.to_xml();
    (
        Entry {
            seq: 0,
            direction: Direction::ToServer,
            id,
            bot,
            peer,
            xml,
            received: now(),
        },
        stanza,
    )
}

/// Sends stanzas in order until the server has confirmed all of them, and records the outcomes.
async fn send(
    to_server: Arc<ToServer>,
    sends: Vec<(Entry, Stanza)>,
    stored: Option<oneshot::Receiver<Vec<i64>>>,
    ack: Option<Arc<dyn ExternalAck>>,
    permit: Option<OwnedSemaphorePermit>,
) {
    let tasks = &to_server.metrics.tasks;
    // The futures are polled in order, so the stanzas are written in order.
    let all = || async {
        let each = sends
            .iter()
            .map(|(entry, stanza)| to_server.send(stanza, entry.received));
        Ok::<Vec<_>, _>(join_all(each).await)
    };
    // After a panic, the stanzas are sent again with the same ids.
    let outcomes = tasks.until_ok("sending", all).await;
    drop(permit);
    for ((entry, _), outcome) in sends.iter().zip(&outcomes) {
        outcome.warn(&entry.peer, &entry.id);
    }
    let stored = stored.map(FutureExt::shared);
    let settling = || async {
        settle(&to_server, &outcomes, stored.clone(), ack.as_deref()).await;
        Ok(())
    };
    tasks.until_ok("end of sending", settling).await;
}

/// Records the outcomes. Repeating it changes nothing.
async fn settle(
    to_server: &ToServer,
    outcomes: &[SendOutcome],
    stored: Option<Shared<oneshot::Receiver<Vec<i64>>>>,
    ack: Option<&dyn ExternalAck>,
) {
    if !outcomes.contains(&SendOutcome::Interrupted) {
        acknowledge(ack).await;
    }
    let Some(stored) = stored else { return };
    // An error means that the disk has failed; the message is then still stored and posted again.
    if let Ok(seqs) = stored.await {
        seqs.into_iter()
            .zip(outcomes)
            .for_each(|(seq, outcome)| to_server.settle(seq, outcome));
    }
}

async fn acknowledge(ack: Option<&dyn ExternalAck>) {
    if let Some(ack) = ack {
        ack.ack().await;
    }
}
