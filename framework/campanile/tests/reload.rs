//! What a component does is replaced while it runs: between two stanzas, and the stream stays.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use campanile::client::Client;
use campanile::component::{Component, ComponentBuilder, ReloadError, Status};
use campanile::error::BoxError;
use campanile::module::Module;
use campanile::router::Router;
use campanile_testing::{Mounted, mount};
use tokio::sync::Notify;

const BOT: &str = "bot.localhost";

type Log = Arc<Mutex<Vec<String>>>;

/// Says its name, and writes down what it is told.
struct Named {
    name: &'static str,
    log: Log,
    /// Waited for at the start.
    gate: Option<Arc<Notify>>,
    fails: bool,
}

#[async_trait]
impl Module for Named {
    fn name(&self) -> &'static str {
        self.name
    }

    fn mount(self: Arc<Self>, router: Router) -> Router {
        router.iq_get(format!("urn:{}", self.name).as_str(), move || {
            std::future::ready(())
        })
    }

    async fn start(&self, _client: Client) -> Result<(), BoxError> {
        self.note("start");
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        if self.fails {
            Err("the port is taken".into())
        } else {
            Ok(())
        }
    }

    async fn online(&self, _client: Client) {
        self.note("online");
    }

    async fn leave(&self, _client: Client) {
        self.note("leave");
    }

    async fn offline(&self) {
        self.note("offline");
    }

    async fn stop(&self) {
        self.note("stop");
    }
}

impl Named {
    fn new(name: &'static str, log: &Log) -> Self {
        Self {
            name,
            log: Arc::clone(log),
            gate: None,
            fails: false,
        }
    }

    fn note(&self, what: &str) {
        self.log
            .lock()
            .unwrap()
            .push(format!("{} {what}", self.name));
    }
}

fn told(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

/// Settings for the running component of this name.
fn anew(bot: &Mounted) -> ComponentBuilder {
    Component::builder(BOT)
        .connector(bot.wire().connector())
        .secret("s3cr3t")
}

fn says(word: &'static str) -> Router {
    Router::new().message(move || std::future::ready(word))
}

async fn hears(bot: &Mounted, word: &str) {
    let alice = bot.user("alice@localhost");
    alice.say(BOT, "hi").await.unwrap();
    alice
        .expect(&format!(
            "<message type='chat'><body>{word}</body></message>"
        ))
        .await;
}

#[tokio::test(start_paused = true)]
async fn routes_are_replaced_and_the_stream_stays() {
    let bot = mount(BOT, |bot| bot.router(says("one"))).await;
    hears(&bot, "one").await;
    bot.reload_handle()
        .reload(anew(&bot).router(says("two")))
        .await
        .unwrap();
    hears(&bot, "two").await;
    // Service discovery tells what is routed now.
    bot.reload_handle()
        .reload(anew(&bot).router(says("three").feature("urn:three")))
        .await
        .unwrap();
    hears(&bot, "three").await;
    let alice = bot.user("alice@localhost");
    let asked = alice.request(
        "<iq type='get' to='bot.localhost'><query \
            xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    );
    assert!(asked.await.unwrap().to_xml().contains("urn:three"));
    assert_eq!((bot.counters().connected, bot.wire().attempts()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_handler_finishes_what_it_has() {
    let begun = Arc::new(Notify::new());
    let go = Arc::new(Notify::new());
    let tell = Arc::clone(&begun);
    let wait = Arc::clone(&go);
    let slow = Router::new().message(move || {
        let tell = Arc::clone(&tell);
        let wait = Arc::clone(&wait);
        async move {
            tell.notify_one();
            wait.notified().await;
            "the old one"
        }
    });
    let bot = mount(BOT, |bot| bot.router(slow)).await;
    let alice = bot.user("alice@localhost");
    alice.say(BOT, "hi").await.unwrap();
    begun.notified().await;
    bot.reload_handle()
        .reload(anew(&bot).router(says("the new one")))
        .await
        .unwrap();
    let bob = bot.user("bob@localhost");
    bob.say(BOT, "hi").await.unwrap();
    bob.expect("<message type='chat'><body>the new one</body></message>")
        .await;
    go.notify_one();
    alice
        .expect("<message type='chat'><body>the old one</body></message>")
        .await;
}

#[tokio::test(start_paused = true)]
async fn modules_that_stay_go_on_and_stanzas_wait_for_the_others() {
    let log = Log::default();
    let gate = Arc::new(Notify::new());
    let [keep, go]: [Arc<dyn Module>; 2] = [
        Arc::new(Named::new("keep", &log)),
        Arc::new(Named::new("go", &log)),
    ];
    let bot = mount(BOT, |bot| {
        bot.shared_module(Arc::clone(&keep))
            .shared_module(go)
            .router(says("old"))
    })
    .await;
    hears(&bot, "old").await;
    assert_eq!(
        told(&log),
        ["keep start", "go start", "keep online", "go online"]
    );

    let come = Named {
        gate: Some(Arc::clone(&gate)),
        ..Named::new("come", &log)
    };
    let with = anew(&bot)
        .shared_module(keep)
        .module(come)
        .router(says("new"));
    let handle = bot.reload_handle();
    let replaced = tokio::spawn(async move { handle.reload(with).await });
    let alice = bot.user("alice@localhost");
    let waits = || log.lock().unwrap().iter().any(|line| line == "come start");
    while !waits() {
        tokio::task::yield_now().await;
    }
    alice.say(BOT, "hi").await.unwrap();
    bot.counted(|counters| counters.taken == 2).await;
    // It waits for whoever comes.
    assert_eq!(alice.waiting(), 0);
    gate.notify_one();
    replaced.await.unwrap().unwrap();
    alice
        .expect("<message type='chat'><body>new</body></message>")
        .await;
    let lines = told(&log);
    assert_eq!(
        lines,
        [
            "go leave",
            "go offline",
            "go stop",
            "come start",
            "come online"
        ]
    );
    assert_eq!(bot.counters().connected, 1);
}

#[tokio::test(start_paused = true)]
async fn a_module_that_does_not_start_leaves_the_old_routes() {
    let log = Log::default();
    let bot = mount(BOT, |bot| bot.router(says("old"))).await;
    let broken = Named {
        fails: true,
        ..Named::new("broken", &log)
    };
    let error = bot
        .reload_handle()
        .reload(anew(&bot).module(broken).router(says("new")))
        .await
        .unwrap_err();
    let ReloadError::Module(why) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (error.to_string(), why.to_string()),
        (
            "module failed to start".into(),
            "broken: the port is taken".into()
        )
    );
    hears(&bot, "old").await;
    // It can be tried again.
    bot.reload_handle()
        .reload(
            anew(&bot)
                .module(Named::new("sound", &log))
                .router(says("new")),
        )
        .await
        .unwrap();
    hears(&bot, "new").await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_built_changes_nothing() {
    let log = Log::default();
    let kept: Arc<dyn Module> = Arc::new(Named::new("kept", &log));
    let bot = mount(BOT, |bot| bot.shared_module(kept).router(says("old"))).await;
    hears(&bot, "old").await;
    told(&log);
    let twice = anew(&bot)
        .module(Named::new("same", &log))
        .module(Named::new("same", &log))
        .router(says("new"));
    assert!(matches!(
        bot.reload_handle().reload(twice).await,
        Err(ReloadError::Build(_))
    ));
    let other = Component::builder("other.localhost")
        .connector(bot.wire().connector())
        .secret("s")
        .router(says("new"));
    assert!(matches!(
        bot.reload_handle().reload(other).await,
        Err(ReloadError::Build(_))
    ));
    hears(&bot, "old").await;
    assert_eq!(told(&log), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn server_and_secret_hold_from_the_next_connection_on() {
    let bot = mount(BOT, |bot| bot.router(says("old"))).await;
    let reached = Arc::new(AtomicBool::new(false));
    let connect = bot.wire().connector();
    let flag = Arc::clone(&reached);
    let connect = move || {
        flag.store(true, Ordering::Relaxed);
        connect()
    };
    let elsewhere = Component::builder(BOT)
        .server("there:5347")
        .connector(connect)
        .secret("s3cr3t")
        .router(says("new"));
    bot.reload_handle().reload(elsewhere).await.unwrap();
    hears(&bot, "new").await;
    assert!(!reached.load(Ordering::Relaxed));
    bot.wire().cut();
    bot.counted(|counters| counters.connected == 2).await;
    assert!(reached.load(Ordering::Relaxed));
    hears(&bot, "new").await;
    let causes: Vec<_> = bot
        .metrics()
        .causes()
        .iter()
        .map(|(cause, count)| (cause.as_str(), *count))
        .collect();
    assert_eq!(causes, [("closed", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_component_that_has_ended_is_not_replaced() {
    let mut bot = mount(BOT, |bot| bot.router(says("old"))).await;
    let handle = bot.reload_handle();
    let with = anew(&bot).router(says("new"));
    bot.running().stop();
    bot.running().ended().await.unwrap();
    assert_eq!(bot.status(), Status::Ended);
    assert!(matches!(handle.reload(with).await, Err(ReloadError::Ended)));
}
