//! Delivery of messages to webhooks.
//!
//! Messages are delivered in order per lane. *Lane*: all messages from one bare JID to one bot.
//! Lanes run concurrently.

mod complete;
mod failures;
mod reply;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use campanile::error::{BoxError, Condition};
use campanile::settings::rough_duration;
use parking_lot::{Mutex, MutexGuard};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::complete::error_reply;
use self::failures::Failures;
pub(crate) use self::reply::{answer_of, replies_of};
use crate::clock::{age, now};
use crate::labels::Labels;
use crate::mapping;
use crate::metrics::Metrics;
use crate::outbox::{Entry, Outbox, QueuedEvent};
use crate::quota::Quota;
use crate::settings::{Bot, Settings};
use crate::to_server::ToServer;
use crate::webhook::{Outcome, Poster, Webhook};

/// Maximum number of concurrent delivery attempts per bot.
const MAX_PARALLEL: usize = 64;
const INITIAL_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(300);

/// The messages that are waiting for webhooks, and the tasks that deliver them.
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

/// The key of a lane: a bot and the bare JID of a sender.
type Lane = (String, String);

/// A bot with a webhook.
struct Target {
    bot: Bot,
    hook: Webhook,
    permits: Semaphore,
    gone: AtomicBool,
    failures: Failures,
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
                    failures: Failures::default(),
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

    /// Returns `true` if the bot's webhook is disabled because it returned 410 Gone.
    pub(crate) fn is_gone(&self, bot: &str) -> bool {
        self.bots
            .get(bot)
            .is_some_and(|target| target.gone.load(Ordering::Relaxed))
    }

    /// Queues an entry read from disk, regardless of the quota.
    pub(crate) fn resume(self: &Arc<Self>, entry: Entry) {
        let body = self.bots.get(&entry.bot).and_then(|target| {
            let stanza = mapping::from_xml(&entry.xml).ok()?;
            mapping::to_json(&stanza, target.bot.mode).ok()
        });
        let Some(body) = body else {
            let why = "no bot with a webhook has this address";
            tracing::warn!(
                bot = entry.bot,
                id = entry.id,
                "message given up, see `campanile outbox list`: {why}"
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
            labels: Labels::default(),
            _permit: permit,
            ack: None,
        });
    }

    /// Appends a message to its lane. Its quota has been acquired already.
    pub(crate) fn push(self: &Arc<Self>, queued: QueuedEvent) {
        let lane = (queued.entry.bot.clone(), queued.entry.peer.clone());
        let mut lanes = self.lanes();
        if let Some(queue) = lanes.get_mut(&lane) {
            queue.push_back(queued);
            return;
        }
        lanes.insert(lane.clone(), VecDeque::from([queued]));
        drop(lanes);
        // A lane ends when it is empty, so there are never more lanes than waiting messages.
        self.runtime.spawn(Arc::clone(self).run(lane));
    }

    async fn run(self: Arc<Self>, lane: Lane) {
        while let Some(queued) = self.next(&lane) {
            let mut panicked = false;
            let delivery = || {
                let last = std::mem::replace(&mut panicked, true) && self.is_too_old(&queued);
                self.deliver_unless(last, &queued)
            };
            // After a panic, the message is posted again.
            self.metrics.tasks.until_ok("delivery", delivery).await;
        }
    }

    /// Delivers a message, or gives it up because its delivery has panicked until the end of its
    /// life.
    async fn deliver_unless(&self, last: bool, queued: &QueuedEvent) -> Result<(), BoxError> {
        if last {
            let error = Condition::InternalServerError.into();
            self.give_up(queued, "internal error", error).await;
        } else {
            self.deliver(queued).await;
        }
        Ok(())
    }

    fn is_too_old(&self, queued: &QueuedEvent) -> bool {
        age(queued.entry.received) >= self.max_age
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
        // The clock of the system may be set while a message is retried.
        let started = Instant::now();
        let lived = age(entry.received);
        let mut wait = INITIAL_BACKOFF;
        loop {
            // A panic in an attempt counts as a failed attempt.
            let attempt = self
                .metrics
                .tasks
                .catch("attempt", self.attempt(target, queued))
                .await;
            match attempt.unwrap_or_else(panicked) {
                Outcome::Taken(answer) => {
                    self.metrics.delivered.add(1);
                    if let Some(failed) = target.failures.recovered() {
                        tracing::info!(bot = entry.bot, failed, "webhook accepted again");
                    }
                    return self
                        .complete(queued, None, self.replies(&target.bot, entry, answer))
                        .await;
                }
                Outcome::Refused(error) => {
                    self.metrics.refused.add(1);
                    return self.complete(queued, None, error_reply(entry, error)).await;
                }
                Outcome::Gone => {
                    self.disable(target, &entry.bot);
                    return self
                        .give_up(queued, "webhook returned 410 Gone", Condition::Gone.into())
                        .await;
                }
                Outcome::Retry { after, why, error } => {
                    self.metrics.failed.add(1);
                    let lived = lived.saturating_add(started.elapsed());
                    let left = self.max_age.saturating_sub(lived);
                    if left.is_zero() {
                        self.warn_of_failure(target, entry, &why, None);
                        return self.give_up(queued, &why, error).await;
                    }
                    // The last attempt is made at the end of `max_age`, also if the webhook asks
                    // for a later time.
                    let pause = after.unwrap_or_default().max(jittered(wait)).min(left);
                    self.warn_of_failure(target, entry, &why, Some(pause));
                    tokio::time::sleep(pause).await;
                    wait = (wait * 2).min(MAX_BACKOFF);
                }
            }
        }
    }

    /// Makes one attempt, as soon as the bot has a free delivery slot.
    async fn attempt(&self, target: &Target, queued: &QueuedEvent) -> Outcome {
        // The semaphore is never closed, so acquiring cannot fail.
        let _turn = target.permits.acquire().await;
        if target.gone.load(Ordering::Relaxed) {
            return Outcome::Gone;
        }
        self.poster
            .post(&target.hook, &queued.entry.id, queued.body.clone())
            .await
    }

    /// Logs a failed attempt, unless the same was logged within a minute, and stores it.
    fn warn_of_failure(&self, target: &Target, entry: &Entry, why: &str, pause: Option<Duration>) {
        if let Some(repeated) = target.failures.record(why) {
            // A message that is given up is not posted again.
            let retry_in = pause.map(|pause| tracing::field::display(rough_duration(pause)));
            tracing::warn!(
                bot = entry.bot,
                url = target.hook.shown_url(),
                retry_in,
                repeated = Some(repeated).filter(|count| *count > 0),
                "delivery failed: {why}"
            );
        }
        let next = pause.map(|pause| now().saturating_add_unsigned(millis(pause)));
        self.mark(|outbox| outbox.attempted(entry.seq, why, next));
    }

    fn disable(&self, target: &Target, bot: &str) {
        if !target.gone.swap(true, Ordering::Relaxed) {
            tracing::error!(bot, "webhook returned 410 Gone; disabled until restart");
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
                let outcome = self.poster.post(&hook, &id, body).await;
                if matches!(outcome, Outcome::Gone) {
                    self.disable(target, bot);
                }
                outcome
            }
            Ok(_) => Outcome::Gone,
            Err(_) => {
                crate::webhook::unreachable("no free delivery slot before the timeout".to_owned())
            }
        }
    }

    fn mark(&self, how: impl FnOnce(&Outbox)) {
        if let Some(outbox) = &self.outbox {
            how(outbox);
        }
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<Lane, VecDeque<QueuedEvent>>> {
        self.lanes.lock()
    }
}

/// Returns the outcome of an attempt that panicked.
fn panicked() -> Outcome {
    Outcome::Retry {
        after: None,
        why: "internal error".to_owned(),
        error: Condition::InternalServerError.into(),
    }
}

/// Returns the name of a bot in the outbox: its localpart, or an empty string.
pub(crate) fn key(bot: &Bot) -> String {
    bot.localpart.clone().unwrap_or_default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns a random duration between half of `wait` and `wait`, to spread retries over time.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0u8; 1];
    // Without randomness all waits are equal, which is acceptable.
    let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut byte);
    wait / 2 + wait.mul_f32(f32::from(byte[0]) / 512.0)
}
