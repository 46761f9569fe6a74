//! The module: routes for each bot, and what runs behind them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use campanile::client::Client;
use campanile::error::{BoxError, Condition, StanzaError};
use campanile::extract::StanzaRef;
use campanile::minidom::Element;
use campanile::module::Module;
use campanile::reply::{Later, Reply};
use campanile::router::{Filter, PayloadPattern, RecipientPattern, Router};
use campanile::stanza::{Kind, MessageType, Stanza};
use campanile::stats::Figure;
use campanile::xmpp_parsers::disco::Identity;
use tokio::task::JoinSet;

use crate::api;
use crate::clock::now;
use crate::counters::{Counters, Counts};
use crate::deliver::{self, Delivery, Parcel};
use crate::events::Feed;
use crate::figures;
use crate::mapping;
use crate::outbox::{Entry, Outbox, Way};
use crate::settings::{Bot, Settings};
use crate::webhook::{Outcome, Poster};

/// How often it is looked whether an operator wants something tried again.
const LOOK: Duration = Duration::from_secs(2);

/// Bots in any language, reached over HTTP.
pub struct Bridge {
    settings: Settings,
    running: OnceLock<Arc<Running>>,
    counters: Arc<Counters>,
    tasks: tokio::sync::Mutex<JoinSet<()>>,
    listening: OnceLock<std::net::SocketAddr>,
}

/// What is there once the module has started.
pub(crate) struct Running {
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) outbox: Option<Outbox>,
    pub(crate) feed: Feed,
}

impl std::fmt::Debug for Bridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bridge").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Bridge {
    /// A bridge with these settings. Files are opened and ports taken when the component starts.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let (counters, tasks) = (Arc::default(), tokio::sync::Mutex::default());
        Self { settings, running: OnceLock::new(), counters, tasks, listening: OnceLock::new() }
    }

    /// What has been counted since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counters.counts()
    }

    /// Messages that wait for webhooks, or are being delivered.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.running.get().map_or(0, |running| running.delivery.waiting())
    }

    /// Where the HTTP side listens, once it does.
    #[must_use]
    pub fn listening(&self) -> Option<std::net::SocketAddr> {
        self.listening.get().copied()
    }

    fn running(&self) -> Result<&Arc<Running>, BoxError> {
        self.running.get().ok_or_else(|| Condition::ServiceUnavailable.into())
    }

    /// A message or presence to a bot: into the outbox, and the handler is done.
    fn take(&self, bot: &Bot, stanza: &Stanza) -> Result<Reply, BoxError> {
        let running = Arc::clone(self.running()?);
        let key = deliver::key(bot);
        if bot.webhook.is_some() && running.delivery.is_gone(&key) {
            return Err(Condition::Gone.into());
        }
        let body = json(stanza, bot)?;
        if bot.webhook.is_some() && !running.delivery.reserve(self.settings.max_waiting) {
            self.counters.turned_away.add(1);
            return Err(Condition::ResourceConstraint.into());
        }
        let Some(outbox) = &running.outbox else {
            running.feed.publish(&key, &body);
            if bot.webhook.is_some() {
                running.delivery.push(Parcel { entry: entry(&key, stanza), body: body.into() });
            }
            return Ok(Reply::Empty);
        };
        // A bot that nobody is told of reads events.
        let stored = match bot.webhook {
            Some(_) => outbox.put(entry(&key, stanza), body),
            None => outbox.event(key, body),
        };
        let (has_hook, receipt) = (bot.webhook.is_some(), receipt(stanza));
        let (later, answer) = Later::promise();
        tokio::spawn(async move {
            match stored.await {
                // XEP-0184 §5.4: not before it is in safe hands.
                Ok(()) => answer.send(receipt.map_or(Reply::Empty, |receipt| Reply::Stanza(Box::new(receipt)))),
                Err(_) => {
                    if has_hook {
                        running.delivery.release();
                    }
                    answer.fail(StanzaError::new(Condition::ResourceConstraint));
                }
            }
        });
        Ok(Reply::Later(later))
    }

    /// An IQ request: one attempt, and never the outbox.
    fn ask(&self, bot: &Bot, stanza: Arc<Stanza>) -> Result<Reply, BoxError> {
        let running = Arc::clone(self.running()?);
        if bot.webhook.is_none() {
            return Err(Condition::ServiceUnavailable.into());
        }
        let (body, key, within) = (Bytes::from(json(&stanza, bot)?), deliver::key(bot), self.settings.iq_timeout);
        let (later, answer) = Later::promise();
        tokio::spawn(async move {
            let outcome = running.delivery.ask(&key, body, within).await;
            answer.send(match outcome {
                Outcome::Taken(None) => Reply::Empty,
                Outcome::Taken(Some(json)) => deliver::answer_of(&stanza, &json).unwrap_or_else(|why| {
                    running.delivery.counters.bad_answers.add(1);
                    tracing::warn!(bot = key, "the answer of the webhook is no answer to an iq: {why}");
                    Reply::Error(Condition::InternalServerError.into())
                }),
                Outcome::Refused(error) | Outcome::Retry { error, .. } => Reply::Error(error),
                Outcome::Gone => Reply::Error(Condition::Gone.into()),
            });
        });
        Ok(Reply::Later(later.within(within + Duration::from_secs(5))))
    }

    fn routes(self: &Arc<Self>, bot: &Arc<Bot>) -> Router {
        let (bridge, one) = (Arc::clone(self), Arc::clone(bot));
        let take = move |StanzaRef(stanza): StanzaRef| {
            let taken = bridge.take(&one, &stanza);
            async move { taken }
        };
        let mut router = Router::new().on(Filter::message(), take).identity(Identity {
            category: "client".into(),
            type_: "bot".into(),
            lang: None,
            name: bot.name.clone(),
        });
        for namespace in &bot.iq {
            let (bridge, one) = (Arc::clone(self), Arc::clone(bot));
            let ask = move |StanzaRef(stanza): StanzaRef| {
                let asked = bridge.ask(&one, stanza);
                async move { asked }
            };
            router = router.on(Filter::iq().payload(PayloadPattern::from(namespace.as_str())), ask);
        }
        if bot.datatypes.is_empty() {
            return router;
        }
        // XEP-0432 §4: one feature for each datatype that is listened for.
        let router = router.feature(mapping::JSON_MSG);
        bot.datatypes
            .iter()
            .fold(router, |router, datatype| router.feature(format!("{}#{datatype}", mapping::JSON_MSG)))
    }

    /// Reads back what waits, in order, and looks for what is wanted again.
    fn resume(running: &Arc<Running>, outbox: &Outbox) -> Result<(), BoxError> {
        let mut after = 0;
        loop {
            let page = outbox.waiting(after)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.seq;
            page.into_iter().for_each(|entry| running.resume(entry));
        }
    }
}

impl Running {
    fn resume(self: &Arc<Self>, entry: Entry) {
        match entry.way {
            Way::Hook => self.delivery.resume(entry),
            Way::Server => api::resume(self, entry),
        }
    }
}

async fn look_for_replays(running: Arc<Running>, outbox: Outbox) {
    let mut every = tokio::time::interval(LOOK);
    loop {
        every.tick().await;
        match outbox.replayed() {
            Ok(entries) => {
                entries.into_iter().for_each(|entry| running.resume(entry));
                // So that none of them is seen twice.
                outbox.flush().await;
            }
            Err(error) => tracing::warn!("the outbox cannot be read: {error}"),
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
                // What is no localpart was refused with the settings.
                Some(Err(error)) => {
                    tracing::error!("a bot without an address: {error}");
                    router
                }
                None => router.merge(routes),
            }
        })
    }

    fn figures(&self) -> Vec<Figure> {
        figures::figures(&self.counts(), self.waiting(), self.settings.max_waiting)
    }

    async fn start(&self, client: Client) -> Result<(), BoxError> {
        let settings = self.settings.clone();
        let (poster, counters) = (Poster::new()?, Arc::clone(&self.counters));
        let delivery = Arc::new(Delivery::new(&settings.bots, poster, client.clone(), settings.max_age, counters));
        let outbox = match &settings.outbox {
            Some(path) => {
                let keep = if settings.api.is_some() { i64::try_from(settings.keep_events)? } else { 0 };
                let to = Arc::clone(&delivery);
                let committed = move |entry: Entry, body| to.push(Parcel { entry, body });
                Some(Outbox::open(path, keep, committed).map_err(|error| format!("{}: {error}", path.display()))?)
            }
            None => None,
        };
        if let Some(outbox) = &outbox {
            delivery.durable(outbox.clone());
        }
        let feed = Feed::new(outbox.clone(), settings.keep_events);
        let running = Arc::new(Running { settings, client, delivery, outbox, feed });
        let mut tasks = self.tasks.lock().await;
        if let Some(api) = &self.settings.api {
            let (address, serving) = api::serve(api, Arc::clone(&running)).await?;
            tracing::info!(%address, "the HTTP side listens");
            // Set once: a component starts once.
            let _ = self.listening.set(address);
            tasks.spawn(serving);
        }
        if let Some(outbox) = running.outbox.clone() {
            Self::resume(&running, &outbox)?;
            tasks.spawn(look_for_replays(Arc::clone(&running), outbox));
        }
        let _ = self.running.set(running);
        Ok(())
    }

    async fn stop(&self) {
        self.tasks.lock().await.abort_all();
        if let Some(outbox) = self.running.get().and_then(|running| running.outbox.as_ref()) {
            outbox.flush().await;
        }
    }
}

fn json(stanza: &Stanza, bot: &Bot) -> Result<String, BoxError> {
    let refused = |why: mapping::Unmappable| StanzaError::new(Condition::BadRequest).with_text(why.to_string());
    Ok(mapping::to_json(stanza, bot.mode).map_err(refused)?)
}

fn entry(bot: &str, stanza: &Stanza) -> Entry {
    let peer = stanza.from().map(|from| from.to_bare().to_string()).unwrap_or_default();
    let id = format!("msg_{}", crate::id::fresh());
    Entry { seq: 0, way: Way::Hook, id, bot: bot.to_owned(), peer, xml: stanza.to_xml(), received: now() }
}

/// The receipt (XEP-0184) that the sender has asked for.
fn receipt(stanza: &Stanza) -> Option<Stanza> {
    const NS: &str = "urn:xmpp:receipts";
    let asked = matches!(stanza.kind(), Kind::Message(MessageType::Chat | MessageType::Normal | MessageType::Headline));
    stanza.children().find(NS, "request").filter(|_| asked)?;
    let received: Element = format!("<received xmlns='{NS}'/>").parse().ok()?;
    let mut received = received;
    let name = campanile::xso::exports::rxml::NcName::try_from("id").ok()?;
    received.attrs_mut().insert(campanile::xso::exports::rxml::Namespace::NONE, name, stanza.id()?.to_owned());
    Stanza::new(stanza.kind()).with_child(&received).ok()
}
