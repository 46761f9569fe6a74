//! From the outbox to webhooks: in order for each sender, the others at the same time.

mod reply;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use campanile::error::{Condition, StanzaError};
use campanile::reply::Reply;
use campanile::stanza::Stanza;
use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

pub(crate) use self::reply::{answer_of, replies_of};
use crate::clock::now;
use crate::mapping;
use crate::metrics::Metrics;
use crate::outbox::{Direction, Entry, ExternalAck, Outbox, QueuedEvent};
use crate::quota::Quota;
use crate::settings::{Bot, Settings};
use crate::to_server::{SendOutcome, ToServer};
use crate::webhook::{Outcome, Poster, Webhook};

/// Attempts of one bot at the same time.
const MAX_PARALLEL: usize = 64;
const INITIAL_BACKOFF: Duration = Duration::from_secs(1);
/// How long the next message of a sender waits for the reply to the last one to be with the server.
const CONFIRM_WAIT: Duration = Duration::from_secs(5);
const MAX_BACKOFF: Duration = Duration::from_secs(300);

/// What is on its way to webhooks.
pub(crate) struct Delivery {
    lanes: Mutex<HashMap<Lane, VecDeque<QueuedEvent>>>,
    bots: HashMap<String, Target>,
    pub(crate) quota: Quota,
    poster: Poster,
    pub(crate) to_server: Arc<ToServer>,
    outbox: Option<Outbox>,
    max_age: Duration,
    runtime: Handle,
    pub(crate) metrics: Arc<Metrics>,
}

/// A bot and the bare JID of a sender.
type Lane = (String, String);

/// A bot with a webhook.
struct Target {
    bot: Bot,
    hook: Webhook,
    permits: Semaphore,
    gone: AtomicBool,
}

impl Delivery {
    pub(crate) fn new(
        settings: &Settings,
        poster: Poster,
        to_server: Arc<ToServer>,
        outbox: Option<Outbox>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let target = |bot: &Bot| {
            let gone = AtomicBool::new(false);
            let permits = Semaphore::new(MAX_PARALLEL);
            let hook = bot.webhook.clone()?;
            Some((
                key(bot),
                Target {
                    bot: bot.clone(),
                    hook,
                    permits,
                    gone,
                },
            ))
        };
        Self {
            lanes: Mutex::default(),
            bots: settings.bots.iter().filter_map(target).collect(),
            quota: Quota::new(settings.max_waiting, settings.max_waiting_bytes),
            poster,
            to_server,
            outbox,
            max_age: settings.max_age,
            runtime: Handle::current(),
            metrics,
        }
    }

    /// Whether the bot's webhook has said that it is gone.
    pub(crate) fn is_gone(&self, bot: &str) -> bool {
        self.bots
            .get(bot)
            .is_some_and(|target| target.gone.load(Ordering::Relaxed))
    }

    /// An entry from disk, as after a start. Its room is taken whatever the bounds.
    pub(crate) fn resume(self: &Arc<Self>, entry: Entry) {
        let body = self.bots.get(&entry.bot).and_then(|target| {
            let stanza = mapping::from_xml(&entry.xml).ok()?;
            mapping::to_json(&stanza, target.bot.mode).ok()
        });
        let Some(body) = body else {
            let why = "no bot with a webhook has this address any more";
            tracing::warn!(
                bot = entry.bot,
                id = entry.id,
                "given up, see `campanile outbox list`: {why}"
            );
            self.metrics.dead.add(1);
            return self.mark(|outbox| outbox.dead(entry.seq, why));
        };
        let permit = self
            .quota
            .acquire_unchecked(&entry.peer, entry.xml.len() + body.len());
        self.push(QueuedEvent {
            entry,
            body: body.into(),
            namespaces: String::new(),
            _permit: permit,
            ack: None,
        });
    }

    /// Puts an entry behind those of the same sender. Room for it was reserved.
    pub(crate) fn push(self: &Arc<Self>, queued: QueuedEvent) {
        let lane = (queued.entry.bot.clone(), queued.entry.peer.clone());
        let mut lanes = self.lanes();
        if let Some(queue) = lanes.get_mut(&lane) {
            queue.push_back(queued);
            return;
        }
        lanes.insert(lane.clone(), VecDeque::from([queued]));
        drop(lanes);
        // A lane ends when it is empty, so there are never more than messages that wait.
        self.runtime.spawn(Arc::clone(self).run(lane));
    }

    async fn run(self: Arc<Self>, lane: Lane) {
        while let Some(queued) = self.next(&lane) {
            self.deliver(&queued).await;
        }
    }

    fn next(&self, lane: &Lane) -> Option<QueuedEvent> {
        let mut lanes = self.lanes();
        let queued = lanes.get_mut(lane)?.pop_front();
        if queued.is_none() {
            lanes.remove(lane);
        }
        queued
    }

    async fn deliver(&self, queued: &QueuedEvent) {
        let entry = &queued.entry;
        let Some(target) = self.bots.get(&entry.bot) else {
            return;
        };
        let lived = Duration::from_millis(u64::try_from(now() - entry.received).unwrap_or(0));
        let end = Instant::now() + self.max_age.saturating_sub(lived);
        let mut wait = INITIAL_BACKOFF;
        loop {
            match self.attempt(target, queued).await {
                Outcome::Taken(json) => {
                    self.metrics.delivered.add(1);
                    return self
                        .complete(queued, None, self.replies(&target.bot, entry, json))
                        .await;
                }
                Outcome::Refused(error) => {
                    self.metrics.refused.add(1);
                    return self.complete(queued, None, error_reply(entry, error)).await;
                }
                Outcome::Gone => {
                    self.disable(target, &entry.bot);
                    return self
                        .give_up(queued, "the webhook is gone (410)", Condition::Gone.into())
                        .await;
                }
                Outcome::Retry { after, why, error } => {
                    self.metrics.failed.add(1);
                    let pause = after.unwrap_or_default().max(jittered(wait));
                    tracing::info!(
                        bot = entry.bot,
                        id = entry.id,
                        ?pause,
                        "not delivered: {why}"
                    );
                    if Instant::now() + pause >= end {
                        return self.give_up(queued, &why, error).await;
                    }
                    tokio::time::sleep(pause).await;
                    wait = (wait * 2).min(MAX_BACKOFF);
                }
            }
        }
    }

    /// One attempt, when one of the bot's turns is free.
    async fn attempt(&self, target: &Target, queued: &QueuedEvent) -> Outcome {
        // The semaphore is never closed; without a permit the attempt is made all the same.
        let _turn = target.permits.acquire().await;
        if target.gone.load(Ordering::Relaxed) {
            return Outcome::Gone;
        }
        self.poster
            .post(&target.hook, &queued.entry.id, queued.body.clone())
            .await
    }

    fn disable(&self, target: &Target, bot: &str) {
        if !target.gone.swap(true, Ordering::Relaxed) {
            tracing::error!(
                bot,
                "the webhook says that it is gone (410): it is asked no more until the next start"
            );
        }
    }

    async fn give_up(&self, queued: &QueuedEvent, why: &str, error: StanzaError) {
        let entry = &queued.entry;
        self.metrics.dead.add(1);
        tracing::warn!(
            bot = entry.bot,
            id = entry.id,
            from = entry.peer,
            "given up, see `campanile outbox list`: {why}"
        );
        self.complete(queued, Some(why), error_reply(entry, error))
            .await;
    }

    /// The stanzas that the answer of a webhook sends.
    fn replies(&self, bot: &Bot, entry: &Entry, json: Option<Bytes>) -> Vec<Stanza> {
        let (Some(json), Ok(stanza)) = (json, mapping::from_xml(&entry.xml)) else {
            return Vec::new();
        };
        replies_of(&stanza, bot, &json).unwrap_or_else(|why| {
            self.metrics.bad_answers.add(1);
            tracing::warn!(
                bot = entry.bot,
                id = entry.id,
                "the answer of the webhook is no reply: {why}"
            );
            Vec::new()
        })
    }

    /// The end of a message: done, or dead when it says why; and what that sends.
    ///
    /// On disk the one takes the place of the other in one step. So what is sent need not wait for
    /// the disk: as long as the stanzas are not there the message is, and after a `kill -9` the
    /// webhook is asked again and gives the same answer.
    async fn complete(&self, queued: &QueuedEvent, dead: Option<&str>, stanzas: Vec<Stanza>) {
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
            return acknowledge(ack).await;
        }
        let permit = self.to_server.reserve(sends.len()).await;
        let sending = self.runtime.spawn(send(
            Arc::clone(&self.to_server),
            sends,
            stored,
            ack,
            permit,
        ));
        // It goes on by itself. While the link is down, the next messages of the sender do not wait
        // for it.
        let _ = tokio::time::timeout(CONFIRM_WAIT, sending).await;
    }

    /// Keeps for the operator what was given up and was not in the outbox, where there is one.
    pub(crate) async fn dead_letter(&self, entry: Entry, why: &str) {
        if let Some(outbox) = &self.outbox {
            // An error means that the disk has failed, which is in the log.
            let _ = outbox.dead_letter(entry, why).await;
        }
    }

    /// Posts an IQ request, once.
    pub(crate) async fn ask(&self, bot: &str, body: Bytes, within: Duration) -> Outcome {
        let Some(target) = self.bots.get(bot) else {
            return Outcome::Gone;
        };
        let id = format!("iq_{}", crate::id::fresh());
        let hook = target.hook.clone().with_timeout(within);
        match tokio::time::timeout(within, target.permits.acquire()).await {
            Ok(_turn) if !target.gone.load(Ordering::Relaxed) => {
                self.poster.post(&hook, &id, body).await
            }
            Ok(_) => Outcome::Gone,
            Err(_) => crate::webhook::unreachable("no turn in time".to_owned()),
        }
    }

    fn mark(&self, how: impl FnOnce(&Outbox)) {
        if let Some(outbox) = &self.outbox {
            how(outbox);
        }
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<Lane, VecDeque<QueuedEvent>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the sender is told, where an error is due.
fn error_reply(entry: &Entry, error: StanzaError) -> Vec<Stanza> {
    let mut due = Vec::new();
    if let Ok(stanza) = mapping::from_xml(&entry.xml) {
        Reply::Error(error).address(&stanza, |stanza| due.push(stanza));
    }
    due
}

/// A stanza that the end of a message sends, as what is owed to the server. Its id, where it has
/// none, follows from the message's: should it be sent once more by another process, it is the
/// same.
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

/// Sends until the server has all of them, in their order, and notes that.
async fn send(
    to_server: Arc<ToServer>,
    sends: Vec<(Entry, Stanza)>,
    stored: Option<oneshot::Receiver<Vec<i64>>>,
    ack: Option<Arc<dyn ExternalAck>>,
    permit: Option<OwnedSemaphorePermit>,
) {
    // Asked in their order, they are written in their order.
    let outcomes = join_all(
        sends
            .iter()
            .map(|(entry, stanza)| to_server.send(stanza, entry.received)),
    )
    .await;
    drop(permit);
    for ((entry, _), outcome) in sends.iter().zip(&outcomes) {
        outcome.warn(&entry.peer, &entry.id);
    }
    if !outcomes.contains(&SendOutcome::Interrupted) {
        acknowledge(ack).await;
    }
    let Some(stored) = stored else { return };
    // An error means that the disk has failed; then the message is still there, and the webhook is
    // asked again.
    if let Ok(seqs) = stored.await {
        seqs.into_iter()
            .zip(&outcomes)
            .for_each(|(seq, outcome)| to_server.settle(seq, outcome));
    }
}

async fn acknowledge(ack: Option<Arc<dyn ExternalAck>>) {
    if let Some(ack) = ack {
        ack.ack().await;
    }
}

/// What a bot is called in the outbox.
pub(crate) fn key(bot: &Bot) -> String {
    bot.localpart.clone().unwrap_or_default()
}

/// Between half and the whole of it, so that many senders do not come back at once.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0u8; 1];
    // Without randomness the waits are equal, which is no fault.
    let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut byte);
    wait / 2 + wait.mul_f32(f32::from(byte[0]) / 512.0)
}
