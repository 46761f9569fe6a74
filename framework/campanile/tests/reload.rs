//! Reloading of a running component: routes and modules are replaced between two stanzas, and the
//! stream stays open.

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

/// A module that serves its name and logs its callbacks.
struct Named {
    name: &'static str,
    log: Log,
    /// Awaited in `start`.
    gate: Option<Arc<Notify>>,
    fails: bool,
}

#[async_trait]
impl Module for Named {
    fn name(&self) -> &'static str {
        self.name
    }

    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
        Ok(
            router.iq_get(format!("urn:{}", self.name).as_str(), move || {
                std::future::ready(())
            }),
        )
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

fn take_log(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

/// Returns a builder with the settings of the running component.
fn rebuilt(bot: &Mounted) -> ComponentBuilder {
    Component::builder(BOT)
        .connector(bot.wire().connector())
        .secret("s3cr3t")
}

fn replies(word: &'static str) -> Router {
    Router::new().message(move || std::future::ready(word))
}

async fn expect_reply(bot: &Mounted, word: &str) {
    let alice = bot.user("alice@localhost");
    alice.say(BOT, "hi").await.unwrap();
    alice
        .expect(&format!(
            "<message type='chat'><body>{word}</body></message>"
        ))
        .await;
}

#[tokio::test(start_paused = true)]
async fn reload_replaces_routes_and_keeps_the_stream() {
    let bot = mount(BOT, |bot| bot.router(replies("one"))).await;
    expect_reply(&bot, "one").await;
    bot.reload_handle()
        .reload(rebuilt(&bot).router(replies("two")))
        .await
        .unwrap();
    expect_reply(&bot, "two").await;
    // Service discovery describes the new routes.
    bot.reload_handle()
        .reload(rebuilt(&bot).router(replies("three").feature("urn:three")))
        .await
        .unwrap();
    expect_reply(&bot, "three").await;
    let alice = bot.user("alice@localhost");
    let asked = alice.request(
        "<iq type='get' to='bot.localhost'><query \
            xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    );
    assert!(asked.await.unwrap().to_xml().contains("urn:three"));
    assert_eq!((bot.counters().connected, bot.wire().attempts()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn running_handler_completes_after_reload() {
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
        .reload(rebuilt(&bot).router(replies("the new one")))
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
async fn kept_modules_stay_and_stanzas_wait_for_new_modules() {
    let log = Log::default();
    let gate = Arc::new(Notify::new());
    let [keep, go]: [Arc<dyn Module>; 2] = [
        Arc::new(Named::new("keep", &log)),
        Arc::new(Named::new("go", &log)),
    ];
    let bot = mount(BOT, |bot| {
        bot.modules([Arc::clone(&keep), go]).router(replies("old"))
    })
    .await;
    expect_reply(&bot, "old").await;
    assert_eq!(
        take_log(&log),
        ["keep start", "go start", "keep online", "go online"]
    );

    let come = Named {
        gate: Some(Arc::clone(&gate)),
        ..Named::new("come", &log)
    };
    let with = rebuilt(&bot)
        .modules([keep])
        .module(come)
        .router(replies("new"));
    let handle = bot.reload_handle();
    let replaced = tokio::spawn(async move { handle.reload(with).await });
    let alice = bot.user("alice@localhost");
    let waits = || log.lock().unwrap().iter().any(|line| line == "come start");
    while !waits() {
        tokio::task::yield_now().await;
    }
    alice.say(BOT, "hi").await.unwrap();
    bot.counted(|counters| counters.taken == 2).await;
    // It waits for the new module.
    assert_eq!(alice.waiting(), 0);
    gate.notify_one();
    replaced.await.unwrap().unwrap();
    alice
        .expect("<message type='chat'><body>new</body></message>")
        .await;
    let lines = take_log(&log);
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
async fn failed_module_start_keeps_the_old_routes() {
    let log = Log::default();
    let bot = mount(BOT, |bot| bot.router(replies("old"))).await;
    let broken = Named {
        fails: true,
        ..Named::new("broken", &log)
    };
    let error = bot
        .reload_handle()
        .reload(rebuilt(&bot).module(broken).router(replies("new")))
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
    expect_reply(&bot, "old").await;
    // The reload can be repeated.
    bot.reload_handle()
        .reload(
            rebuilt(&bot)
                .module(Named::new("sound", &log))
                .router(replies("new")),
        )
        .await
        .unwrap();
    expect_reply(&bot, "new").await;
}

/// A module that panics when it starts, or when it is mounted.
struct Panicking {
    at: &'static str,
}

#[async_trait]
impl Module for Panicking {
    fn name(&self) -> &'static str {
        "panicking"
    }

    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
        assert_ne!(self.at, "mount");
        Ok(router)
    }

    async fn start(&self, _client: Client) -> Result<(), BoxError> {
        assert_ne!(self.at, "start");
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn panicking_module_keeps_the_old_routes() {
    let bot = mount(BOT, |bot| bot.router(replies("old"))).await;
    for (at, said) in [
        ("mount", "panicking panicked when it was mounted"),
        ("start", "panicking: start failed: task "),
    ] {
        let error = bot
            .reload_handle()
            .reload(
                rebuilt(&bot)
                    .module(Panicking { at })
                    .router(replies("new")),
            )
            .await
            .unwrap_err();
        let text = campanile::error::chain(&error.into());
        assert!(text.contains(said), "{text}");
        expect_reply(&bot, "old").await;
    }
}

#[tokio::test(start_paused = true)]
async fn invalid_builder_changes_nothing() {
    let log = Log::default();
    let kept: Arc<dyn Module> = Arc::new(Named::new("kept", &log));
    let bot = mount(BOT, |bot| bot.modules([kept]).router(replies("old"))).await;
    expect_reply(&bot, "old").await;
    take_log(&log);
    let twice = rebuilt(&bot)
        .module(Named::new("same", &log))
        .module(Named::new("same", &log))
        .router(replies("new"));
    assert!(matches!(
        bot.reload_handle().reload(twice).await,
        Err(ReloadError::Build(_))
    ));
    let other = Component::builder("other.localhost")
        .connector(bot.wire().connector())
        .secret("s")
        .router(replies("new"));
    assert!(matches!(
        bot.reload_handle().reload(other).await,
        Err(ReloadError::Build(_))
    ));
    expect_reply(&bot, "old").await;
    assert_eq!(take_log(&log), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn server_and_secret_apply_to_the_next_connection() {
    let bot = mount(BOT, |bot| bot.router(replies("old"))).await;
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
        .router(replies("new"));
    bot.reload_handle().reload(elsewhere).await.unwrap();
    expect_reply(&bot, "new").await;
    assert!(!reached.load(Ordering::Relaxed));
    bot.wire().cut();
    bot.counted(|counters| counters.connected == 2).await;
    assert!(reached.load(Ordering::Relaxed));
    expect_reply(&bot, "new").await;
    let causes: Vec<_> = bot
        .metrics()
        .causes()
        .iter()
        .map(|(cause, count)| (cause.as_str(), *count))
        .collect();
    assert_eq!(causes, [("closed", 1)]);
}

#[tokio::test(start_paused = true)]
async fn ended_component_cannot_be_reloaded() {
    let mut bot = mount(BOT, |bot| bot.router(replies("old"))).await;
    let handle = bot.reload_handle();
    let with = rebuilt(&bot).router(replies("new"));
    bot.running().stop();
    bot.running().ended().await.unwrap();
    assert_eq!(bot.status(), Status::Ended);
    assert!(matches!(handle.reload(with).await, Err(ReloadError::Ended)));
}
