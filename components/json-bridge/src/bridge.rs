//! The bridge module: registers routes for each bot and runs delivery, API and broker behind them.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use campanile::client::{Client, ResponseForwarder};
use campanile::error::{BoxError, Condition, StanzaError};
use campanile::extract::StanzaRef;
use campanile::metrics::Metric;
use campanile::minidom::Element;
use campanile::module::Module;
use campanile::reply::{Deferred, Reply};
use campanile::router::{Filter, PayloadPattern, RecipientPattern, Router};
use campanile::stanza::{Kind, MessageType, PresenceType, Stanza};
use campanile::xmpp_parsers::disco::Identity;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::api;
use crate::clock::now;
use crate::events::Feed;
use crate::exposition;
use crate::mapping;
use crate::metrics::{BridgeMetrics, Metrics};
use crate::nats::{Broker, PeerResponses};
use crate::outbox::{Direction, Entry, Event, Outbox, QueuedEvent};
use crate::settings::{Bot, Settings};
use crate::to_server::ToServer;
use crate::to_webhook::{self, Delivery};
use crate::webhook::{Outcome, Poster};

/// Interval at which the outbox is polled for dead letters that an operator has replayed.
const REPLAY_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The module that connects bots to web handlers.
///
/// Mount it with `Component::builder(…).module(bridge)`, or with `shared_module` to keep a handle
/// for [`snapshot`](Self::snapshot).
pub struct Bridge {
    settings: Settings,
    running: OnceLock<Arc<Running>>,
    /// IQ responses that belong to other bridges on the same JID, forwarded through the broker.
    peer_responses: Arc<PeerResponses>,
    metrics: Arc<Metrics>,
    tasks: tokio::sync::Mutex<JoinSet<()>>,
    listening: OnceLock<std::net::SocketAddr>,
}

/// The parts of a bridge that exist once the module has started.
pub(crate) struct Running {
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) to_server: Arc<ToServer>,
    pub(crate) outbox: Option<Outbox>,
    pub(crate) feed: Feed,
    pub(crate) broker: Option<Broker>,
}

impl std::fmt::Debug for Bridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bridge")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Bridge {
    /// Creates a bridge with the given settings.
    ///
    /// Files are opened and ports are bound when the component starts.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let metrics = Arc::default();
        let tasks = tokio::sync::Mutex::default();
        let peer_responses = Arc::new(PeerResponses::new(Arc::clone(&metrics)));
        Self {
            settings,
            running: OnceLock::new(),
            peer_responses,
            metrics,
            tasks,
            listening: OnceLock::new(),
        }
    }

    /// Returns a snapshot of the counters since the start.
    ///
    /// Counters are loaded one by one, so the snapshot is not atomic.
    #[must_use]
    pub fn snapshot(&self) -> BridgeMetrics {
        self.metrics.snapshot()
    }

    /// Returns the number of messages that are waiting for webhooks or being delivered.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.running
            .get()
            .map_or(0, |running| running.delivery.quota.count())
    }

    /// Returns the size in bytes of the [waiting](Self::waiting) messages, counting both their XML
    /// and their JSON.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.running
            .get()
            .map_or(0, |running| running.delivery.quota.bytes())
    }

    /// Returns the address on which the HTTP API listens, or `None` before it has started.
    #[must_use]
    pub fn listening(&self) -> Option<std::net::SocketAddr> {
        self.listening.get().copied()
    }

    fn running(&self) -> Result<&Arc<Running>, BoxError> {
        self.running
            .get()
            .ok_or_else(|| Condition::ServiceUnavailable.into())
    }

    /// Accepts a message or presence for a bot.
    ///
    /// The stanza is handed to the outbox, the broker or the in-memory queue. The handler does not
    /// wait for its delivery.
    fn accept(&self, bot: &Bot, stanza: &Stanza) -> Result<Reply, BoxError> {
        let running = self.running()?;
        let key = to_webhook::key(bot);
        if bot.webhook.is_some() && running.delivery.is_gone(&key) {
            return Err(Condition::Gone.into());
        }
        let json = json(stanza, bot)?;
        if let Some(broker) = &running.broker {
            let stored = broker.publish(&key, stanza, json.clone());
            running.record_event(event(&key, stanza, json));
            return Ok(self.defer(
                stored.ok_or_else(|| self.reject_over_quota("the broker is not keeping up"))?,
                receipt(stanza),
            ));
        }
        if bot.webhook.is_none() {
            // A bot without a webhook reads events.
            let event = event(&key, stanza, json);
            return Ok(match &running.outbox {
                Some(outbox) => self.defer(outbox.event(event), receipt(stanza)),
                None => {
                    running.feed.publish(event);
                    Reply::Empty
                }
            });
        }
        let entry = entry(&key, stanza);
        let permit = running
            .delivery
            .quota
            .try_acquire(&entry.peer, entry.xml.len() + json.len());
        let permit = permit.ok_or_else(|| self.reject_over_quota("the webhook queue is full"))?;
        match &running.outbox {
            Some(outbox) => {
                let queued = QueuedEvent {
                    entry,
                    body: json.into(),
                    namespaces: namespaces(stanza),
                    _permit: permit,
                    ack: None,
                };
                Ok(self.defer(outbox.put(queued), receipt(stanza)))
            }
            None => {
                if running.feed.is_read() {
                    running.feed.publish(event(&key, stanza, json.clone()));
                }
                let body = json.into();
                let namespaces = String::new();
                running.delivery.push(QueuedEvent {
                    entry,
                    body,
                    namespaces,
                    _permit: permit,
                    ack: None,
                });
                Ok(Reply::Empty)
            }
        }
    }

    /// Replies once the stanza is stored: with the receipt, or with `resource-constraint` if
    /// storing fails.
    ///
    /// A receipt must not be sent before the message is stored (XEP-0184 §5.4).
    fn defer(&self, stored: oneshot::Receiver<()>, receipt: Option<Stanza>) -> Reply {
        let (later, answer) = Deferred::channel();
        let metrics = Arc::clone(&self.metrics);
        tokio::spawn(async move {
            match stored.await {
                Ok(()) => answer
                    .send(receipt.map_or(Reply::Empty, |receipt| Reply::Stanza(Box::new(receipt)))),
                Err(_) => {
                    metrics.turned_away.add(1);
                    answer.fail(StanzaError::new(Condition::ResourceConstraint));
                }
            }
        });
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

    /// Passes an IQ request to the bot, once. IQs are never stored in the outbox.
    fn ask(&self, bot: &Bot, stanza: Arc<Stanza>) -> Result<Reply, BoxError> {
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
        tokio::spawn(async move {
            let outcome = match &running.broker {
                Some(broker) if !has_hook => broker.ask(&key, body, within).await,
                _ => running.delivery.ask(&key, body, within).await,
            };
            answer.send(match outcome {
                Outcome::Taken(None) => Reply::Empty,
                Outcome::Taken(Some(json)) => {
                    to_webhook::answer_of(&stanza, &json).unwrap_or_else(|why| {
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

    fn routes(self: &Arc<Self>, bot: &Arc<Bot>) -> Router {
        let bridge = Arc::clone(self);
        let one = Arc::clone(bot);
        let take = move |StanzaRef(stanza): StanzaRef| {
            let taken = bridge.accept(&one, &stanza);
            async move { taken }
        };
        let mut router = Router::new()
            .on(Filter::message(), take.clone())
            .identity(Identity {
                category: "client".into(),
                type_: "bot".into(),
                lang: None,
                name: bot.name.clone(),
            });
        for namespace in &bot.iq {
            let bridge = Arc::clone(self);
            let one = Arc::clone(bot);
            let ask = move |StanzaRef(stanza): StanzaRef| {
                let asked = bridge.ask(&one, stanza);
                async move { asked }
            };
            router = router.on(
                Filter::iq().payload(PayloadPattern::from(namespace.as_str())),
                ask,
            );
        }
        if bot.presence {
            // Subscription requests are handled by the roster.
            let shown = [PresenceType::Available, PresenceType::Unavailable].map(Kind::Presence);
            router = router.on(Filter::kinds(shown), take);
        }
        if !bot.access.is_open() {
            router = router.layer(bot.access.clone());
        }
        if bot.datatypes.is_empty() {
            return router;
        }
        // XEP-0432 §4: one feature for each supported datatype.
        let router = router.feature(mapping::JSON_MSG);
        bot.datatypes.iter().fold(router, |router, datatype| {
            router.feature(format!("{}#{datatype}", mapping::JSON_MSG))
        })
    }

    /// Reads the waiting entries back from disk and queues them in order.
    fn resume(running: &Arc<Running>, outbox: &Outbox) -> Result<(), BoxError> {
        let mut after = 0;
        loop {
            let page = outbox.waiting(after)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.seq;
            page.into_iter().for_each(|entry| running.resume(entry));
        }
    }
}

impl Running {
    fn resume(self: &Arc<Self>, entry: Entry) {
        match entry.direction {
            Direction::ToWebhook => self.delivery.resume(entry),
            Direction::ToServer => self.to_server.resume(entry),
        }
    }

    /// Adds an event to the feed without waiting for it to be stored.
    fn record_event(&self, event: Event) {
        match &self.outbox {
            // Nothing depends on this event being on disk.
            Some(outbox) => drop(outbox.event(event)),
            None => self.feed.publish(event),
        }
    }
}

async fn poll_replays(running: Arc<Running>, outbox: Outbox) {
    let mut every = tokio::time::interval(REPLAY_POLL_INTERVAL);
    loop {
        every.tick().await;
        match outbox.replayed() {
            Ok(entries) => {
                entries.into_iter().for_each(|entry| running.resume(entry));
                // Their state must be on disk before the next poll, or they are seen twice.
                outbox.flush().await;
            }
            Err(error) => tracing::warn!("outbox read failed: {error}"),
        }
    }
}

#[async_trait]
impl Module for Bridge {
    fn name(&self) -> &'static str {
        "json-bridge"
    }

    fn mount(self: Arc<Self>, router: Router) -> Router {
        self.settings.bots.iter().fold(router, |router, bot| {
            let routes = self.routes(&Arc::new(bot.clone()));
            match bot.localpart.as_deref().map(RecipientPattern::localpart) {
                Some(Ok(pattern)) => router.at(pattern, routes),
                // Invalid localparts have been rejected with the configuration.
                Some(Err(error)) => {
                    tracing::error!("bot skipped, its localpart is invalid: {error}");
                    router
                }
                None => router.merge(routes),
            }
        })
    }

    fn response_forwarder(self: Arc<Self>) -> Option<Arc<dyn ResponseForwarder>> {
        self.settings
            .nats
            .as_ref()
            .map(|_| Arc::clone(&self.peer_responses) as Arc<dyn ResponseForwarder>)
    }

    fn metrics(&self) -> Vec<Metric> {
        exposition::collect(&self.snapshot(), self.waiting(), self.settings.max_waiting)
    }

    async fn start(&self, client: Client) -> Result<(), BoxError> {
        let settings = self.settings.clone();
        let poster = Poster::new()?;
        let metrics = Arc::clone(&self.metrics);
        let keep = if settings.api.is_some() {
            settings.keep_events
        } else {
            0
        };
        let slot = Arc::new(OnceLock::<Arc<Delivery>>::new());
        let outbox = match &settings.outbox {
            Some(path) => Some(open(path, keep, Arc::clone(&slot))?),
            None => None,
        };
        let way_out = outbox.clone();
        let max_age = settings.max_age;
        let to_server = Arc::new(ToServer::new(
            client.clone(),
            way_out,
            max_age,
            Arc::clone(&metrics),
        ));
        let delivery = Delivery::new(
            &settings,
            poster,
            Arc::clone(&to_server),
            outbox.clone(),
            metrics,
        );
        let delivery = Arc::clone(slot.get_or_init(|| Arc::new(delivery)));
        let feed = Feed::new(outbox.clone(), keep);
        let mut tasks = self.tasks.lock().await;
        let broker = match &settings.nats {
            Some(nats) => Some(
                Broker::start(
                    nats,
                    &settings.bots,
                    &delivery,
                    (&client, &self.peer_responses),
                    &mut tasks,
                )
                .await?,
            ),
            None => None,
        };
        let running = Arc::new(Running {
            settings,
            client,
            delivery,
            to_server,
            outbox,
            feed,
            broker,
        });
        if let Some(api) = &self.settings.api {
            let (address, serving) = api::serve(api, Arc::clone(&running)).await?;
            tracing::info!(%address, "HTTP API started");
            // This is the first call: a component starts once.
            let _ = self.listening.set(address);
            tasks.spawn(serving);
        }
        if let Some(outbox) = running.outbox.clone() {
            Self::resume(&running, &outbox)?;
            tasks.spawn(poll_replays(Arc::clone(&running), outbox));
        }
        let _ = self.running.set(running);
        Ok(())
    }

    async fn stop(&self) {
        self.tasks.lock().await.abort_all();
        if let Some(outbox) = self
            .running
            .get()
            .and_then(|running| running.outbox.as_ref())
        {
            outbox.flush().await;
        }
    }
}

/// Opens the outbox; each message goes to its webhook once it is on disk.
fn open(
    path: &Path,
    keep: usize,
    delivery: Arc<OnceLock<Arc<Delivery>>>,
) -> Result<Outbox, BoxError> {
    let committed = move |queued| {
        // No message is stored before the module has started.
        if let Some(delivery) = delivery.get() {
            delivery.push(queued);
        }
    };
    let opened = Outbox::open(path, i64::try_from(keep)?, committed);
    opened.map_err(|error| format!("{}: {error}", path.display()).into())
}

fn event(bot: &str, stanza: &Stanza, json: String) -> Event {
    Event {
        seq: 0,
        bot: bot.to_owned(),
        json,
        namespaces: namespaces(stanza),
    }
}

/// Returns the namespaces of the stanza's child elements, separated by spaces.
fn namespaces(stanza: &Stanza) -> String {
    let namespaces: Vec<_> = stanza
        .children()
        .iter()
        .map(|child| child.namespace())
        .collect();
    namespaces.join(" ")
}

fn json(stanza: &Stanza, bot: &Bot) -> Result<String, BoxError> {
    let refused = |why: mapping::Unmappable| {
        StanzaError::new(Condition::BadRequest).with_text(why.to_string())
    };
    Ok(mapping::to_json(stanza, bot.mode).map_err(refused)?)
}

fn entry(bot: &str, stanza: &Stanza) -> Entry {
    let peer = stanza
        .from()
        .map(|from| from.to_bare().to_string())
        .unwrap_or_default();
    let id = format!("msg_{}", crate::id::fresh());
    Entry {
        seq: 0,
        direction: Direction::ToWebhook,
        id,
        bot: bot.to_owned(),
        peer,
        xml: stanza.to_xml(),
        received: now(),
    }
}

/// Returns the delivery receipt (XEP-0184), if the sender has requested one.
fn receipt(stanza: &Stanza) -> Option<Stanza> {
    const NS: &str = "urn:xmpp:receipts";
    let asked = matches!(
        stanza.kind(),
        Kind::Message(MessageType::Chat | MessageType::Normal | MessageType::Headline)
    );
    stanza.children().find(NS, "request").filter(|_| asked)?;
    let received: Element = format!("<received xmlns='{NS}'/>").parse().ok()?;
    let mut received = received;
    let name = campanile::xso::exports::rxml::NcName::try_from("id").ok()?;
    received.attrs_mut().insert(
        campanile::xso::exports::rxml::Namespace::NONE,
        name,
        stanza.id()?.to_owned(),
    );
    Stanza::new(stanza.kind()).with_child(&received).ok()
}
