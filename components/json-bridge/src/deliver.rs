//! From the outbox to webhooks: in order for each sender, the others at the same time.

mod reply;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use campanile::client::Client;
use campanile::error::{Condition, StanzaError};
use campanile::reply::Reply;
use campanile::stanza::Stanza;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub(crate) use self::reply::{answer_of, replies_of};
use crate::clock::now;
use crate::counters::Counters;
use crate::mapping;
use crate::outbox::{Entry, Outbox};
use crate::settings::Bot;
use crate::webhook::{Outcome, Poster, Webhook};

/// Attempts of one bot at the same time.
const PARALLEL: usize = 64;
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long the next message of a sender waits for the reply to the last one to be with the server.
const CONFIRM: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What is on its way to webhooks.
pub(crate) struct Delivery {
    lanes: Mutex<HashMap<Lane, VecDeque<Parcel>>>,
    bots: HashMap<String, Target>,
    waiting: AtomicUsize,
    poster: Poster,
    client: Client,
    outbox: Mutex<Option<Outbox>>,
    max_age: Duration,
    runtime: Handle,
    pub(crate) counters: Arc<Counters>,
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

/// An entry with what is posted.
pub(crate) struct Parcel {
    pub(crate) entry: Entry,
    pub(crate) body: Bytes,
}

impl Delivery {
    pub(crate) fn new(
        bots: &[Bot],
        poster: Poster,
        client: Client,
        max_age: Duration,
        counters: Arc<Counters>,
    ) -> Self {
        let target = |bot: &Bot| {
            let (gone, permits) = (AtomicBool::new(false), Semaphore::new(PARALLEL));
            let hook = bot.webhook.clone()?;
            Some((key(bot), Target { bot: bot.clone(), hook, permits, gone }))
        };
        Self {
            lanes: Mutex::default(),
            bots: bots.iter().filter_map(target).collect(),
            waiting: AtomicUsize::new(0),
            poster,
            client,
            outbox: Mutex::default(),
            max_age,
            runtime: Handle::current(),
            counters,
        }
    }

    /// From now on entries are on disk, and are to be marked there.
    pub(crate) fn durable(&self, outbox: Outbox) {
        *self.outbox.lock().unwrap_or_else(PoisonError::into_inner) = Some(outbox);
    }

    /// Messages that wait, or are being delivered.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether the bot's webhook has said that it is gone.
    pub(crate) fn is_gone(&self, bot: &str) -> bool {
        self.bots.get(bot).is_some_and(|target| target.gone.load(Ordering::Relaxed))
    }

    /// Room for one more, to be taken before it goes to the outbox.
    pub(crate) fn reserve(&self, most: usize) -> bool {
        let more = |waiting| (waiting < most).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// The room is not needed after all.
    pub(crate) fn release(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// An entry from disk, as after a start. Its room is taken whatever the bound.
    pub(crate) fn resume(self: &Arc<Self>, entry: Entry) {
        let body = self.bots.get(&entry.bot).and_then(|target| {
            let stanza = mapping::from_xml(&entry.xml).ok()?;
            mapping::to_json(&stanza, target.bot.mode).ok()
        });
        match body {
            Some(body) => {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                self.push(Parcel { entry, body: body.into() });
            }
            None => self.mark(|outbox| outbox.dead(entry.seq, "no bot with a webhook has this address any more")),
        }
    }

    /// Puts an entry behind those of the same sender. Room for it was reserved.
    pub(crate) fn push(self: &Arc<Self>, parcel: Parcel) {
        let lane = (parcel.entry.bot.clone(), parcel.entry.peer.clone());
        let mut lanes = self.lanes();
        if let Some(queue) = lanes.get_mut(&lane) {
            queue.push_back(parcel);
            return;
        }
        lanes.insert(lane.clone(), VecDeque::from([parcel]));
        drop(lanes);
        // A lane ends when it is empty, so there are never more than messages that wait.
        self.runtime.spawn(Arc::clone(self).run(lane));
    }

    async fn run(self: Arc<Self>, lane: Lane) {
        while let Some(parcel) = self.next(&lane) {
            self.deliver(&parcel).await;
            self.release();
        }
    }

    fn next(&self, lane: &Lane) -> Option<Parcel> {
        let mut lanes = self.lanes();
        let parcel = lanes.get_mut(lane)?.pop_front();
        if parcel.is_none() {
            lanes.remove(lane);
        }
        parcel
    }

    async fn deliver(&self, parcel: &Parcel) {
        let entry = &parcel.entry;
        let Some(target) = self.bots.get(&entry.bot) else { return };
        let lived = Duration::from_millis(u64::try_from(now() - entry.received).unwrap_or(0));
        let end = Instant::now() + self.max_age.saturating_sub(lived);
        let mut wait = FIRST_WAIT;
        loop {
            match self.attempt(target, parcel).await {
                Outcome::Taken(json) => {
                    self.counters.delivered.add(1);
                    self.send_replies(&target.bot, entry, json).await;
                    return self.mark(|outbox| outbox.done(entry.seq));
                }
                Outcome::Refused(error) => {
                    self.counters.refused.add(1);
                    self.tell(entry, error).await;
                    return self.mark(|outbox| outbox.done(entry.seq));
                }
                Outcome::Gone => {
                    self.disable(target, &entry.bot);
                    return self.give_up(entry, "the webhook is gone (410)", Condition::Gone.into()).await;
                }
                Outcome::Retry { after, why, error } => {
                    self.counters.failed.add(1);
                    let pause = after.unwrap_or_default().max(jittered(wait));
                    tracing::info!(bot = entry.bot, id = entry.id, ?pause, "not delivered: {why}");
                    if Instant::now() + pause >= end {
                        return self.give_up(entry, &why, error).await;
                    }
                    tokio::time::sleep(pause).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    /// One attempt, when one of the bot's turns is free.
    async fn attempt(&self, target: &Target, parcel: &Parcel) -> Outcome {
        // The semaphore is never closed; without a permit the attempt is made all the same.
        let _turn = target.permits.acquire().await;
        if target.gone.load(Ordering::Relaxed) {
            return Outcome::Gone;
        }
        self.poster.post(&target.hook, &parcel.entry.id, parcel.body.clone()).await
    }

    fn disable(&self, target: &Target, bot: &str) {
        if !target.gone.swap(true, Ordering::Relaxed) {
            tracing::error!(bot, "the webhook says that it is gone (410): it is asked no more until the next start");
        }
    }

    async fn give_up(&self, entry: &Entry, why: &str, error: StanzaError) {
        self.counters.dead.add(1);
        tracing::warn!(
            bot = entry.bot,
            id = entry.id,
            from = entry.peer,
            "given up, see `campanile outbox list`: {why}"
        );
        self.mark(|outbox| outbox.dead(entry.seq, why));
        self.tell(entry, error).await;
    }

    /// Tells the sender, where an error is due.
    async fn tell(&self, entry: &Entry, error: StanzaError) {
        let Ok(stanza) = mapping::from_xml(&entry.xml) else { return };
        let mut due = Vec::new();
        Reply::Error(error).address(&stanza, |stanza| due.push(stanza));
        for stanza in due {
            self.send(stanza).await;
        }
    }

    async fn send_replies(&self, bot: &Bot, entry: &Entry, json: Option<Bytes>) {
        let Some(json) = json else { return };
        let Ok(stanza) = mapping::from_xml(&entry.xml) else { return };
        match replies_of(&stanza, bot, &json) {
            Ok(replies) => {
                for reply in replies {
                    self.send(reply).await;
                }
            }
            Err(why) => {
                self.counters.bad_answers.add(1);
                tracing::warn!(bot = entry.bot, id = entry.id, "the answer of the webhook is no reply: {why}");
            }
        }
    }

    /// Sends and waits until the server has it, but not for long: while the link is down the sender's next messages go on.
    /// What did not get there is logged, the bot has done its part.
    async fn send(&self, stanza: Stanza) {
        let (to, client) = (stanza.to().map(ToString::to_string), self.client.clone());
        let sending = self.runtime.spawn(async move {
            if let Err(error) = client.send_confirmed(stanza).await {
                tracing::warn!(to, "a reply was not sent: {error}");
            }
        });
        // It goes on by itself, and ends at the latest with the time that the client keeps unconfirmed stanzas.
        let _ = tokio::time::timeout(CONFIRM, sending).await;
    }

    /// Posts an IQ request, once.
    pub(crate) async fn ask(&self, bot: &str, body: Bytes, within: Duration) -> Outcome {
        let Some(target) = self.bots.get(bot) else { return Outcome::Gone };
        let id = format!("iq_{}", self.client.fresh_id());
        let hook = target.hook.clone().with_timeout(within);
        match tokio::time::timeout(within, target.permits.acquire()).await {
            Ok(_turn) if !target.gone.load(Ordering::Relaxed) => self.poster.post(&hook, &id, body).await,
            Ok(_) => Outcome::Gone,
            Err(_) => crate::webhook::unreachable("no turn in time".to_owned()),
        }
    }

    fn mark(&self, how: impl FnOnce(&Outbox)) {
        if let Some(outbox) = self.outbox.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            how(outbox);
        }
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<Lane, VecDeque<Parcel>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
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
