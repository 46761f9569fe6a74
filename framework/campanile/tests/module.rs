//! The lifecycle of a module: its callbacks, their order, and modules that fail or hang.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use campanile::client::{Client, Empty};
use campanile::component::Status;
use campanile::error::BoxError;
use campanile::module::Module;
use campanile::router::Router;
use campanile_testing::{Mounted, mount, start};
use tokio::sync::Notify;
use xmpp_parsers::ping::Ping;

const BOT: &str = "bot.localhost";

type Log = Arc<Mutex<Vec<String>>>;

/// A module that logs its callbacks and then does what `act` returns.
struct Diary {
    name: &'static str,
    log: Log,
    act: fn(&'static str) -> Act,
    online: Arc<Notify>,
}

enum Act {
    Nothing,
    Fail,
    Panic,
    Forever,
    /// Sends a request, which succeeds only while connected.
    Ask,
}

impl Diary {
    fn new(name: &'static str, log: &Log, act: fn(&'static str) -> Act) -> Self {
        Self {
            name,
            log: Arc::clone(log),
            act,
            online: Arc::default(),
        }
    }

    async fn note(&self, what: &'static str, client: Option<Client>) -> Result<(), BoxError> {
        let write = |text: String| {
            self.log
                .lock()
                .unwrap()
                .push(format!("{} {text}", self.name));
        };
        write(what.to_owned());
        match (self.act)(what) {
            Act::Nothing => {}
            Act::Fail => return Err("the disk is gone".into()),
            Act::Panic => panic!("the module is broken"),
            Act::Forever => std::future::pending().await,
            Act::Ask => {
                let to = campanile::jid::Jid::new("localhost").unwrap();
                let answer = client
                    .expect("a handle to send with")
                    .iq_get::<Empty>(to, &Ping)
                    .await;
                write(format!("asked: {}", answer.is_ok()));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Module for Diary {
    fn name(&self) -> &'static str {
        self.name
    }

    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
        self.log
            .lock()
            .unwrap()
            .push(format!("{} mount", self.name));
        Ok(router.at(
            self.name,
            Router::new().feature(format!("urn:example:{}", self.name)),
        ))
    }

    async fn start(&self, client: Client) -> Result<(), BoxError> {
        self.note("start", Some(client)).await
    }

    async fn online(&self, client: Client) {
        let _ = self.note("online", Some(client)).await;
        self.online.notify_one();
    }

    async fn leave(&self, client: Client) {
        let _ = self.note("leave", Some(client)).await;
    }

    async fn offline(&self) {
        let _ = self.note("offline", None).await;
    }

    async fn stop(&self) {
        let _ = self.note("stop", None).await;
    }
}

async fn mounted(modules: impl IntoIterator<Item = Diary>) -> (Mounted, Vec<Arc<Notify>>) {
    let modules: Vec<_> = modules.into_iter().map(Arc::new).collect();
    let online: Vec<_> = modules
        .iter()
        .map(|module| Arc::clone(&module.online))
        .collect();
    let shared: Vec<Arc<dyn Module>> = modules.into_iter().map(|module| module as _).collect();
    (mount(BOT, |bot| bot.modules(shared)).await, online)
}

#[tokio::test(start_paused = true)]
async fn module_callbacks_are_called_in_order() {
    let log = Log::default();
    // The stream can still be used for requests in `leave`.
    let act = |what: &str| {
        if matches!(what, "online" | "leave") {
            Act::Ask
        } else {
            Act::Nothing
        }
    };
    let (mut bot, online) = mounted([
        Diary::new("a", &log, act),
        Diary::new("b", &log, |_| Act::Nothing),
    ])
    .await;
    online[0].notified().await;
    online[1].notified().await;
    bot.host().stop();
    bot.until(|status| matches!(status, Status::Waiting { .. }))
        .await;
    bot.host().start();
    bot.mounted().await;
    online[0].notified().await;
    online[1].notified().await;
    bot.running().stop();
    bot.running().ended().await.unwrap();
    let seen = log.lock().unwrap().clone();
    let of = |name: &str| -> Vec<String> {
        let own = seen.iter().filter_map(|line| line.strip_prefix(name));
        own.map(|what| what.trim().to_owned()).collect()
    };
    let round = ["online", "asked: true", "offline"];
    let last = [
        "online",
        "asked: true",
        "leave",
        "asked: true",
        "offline",
        "stop",
    ];
    let wanted: Vec<_> = [&["mount", "start"], &round[..], &last[..]].concat();
    assert_eq!(of("a"), wanted);
    assert_eq!(
        of("b"),
        [
            "mount", "start", "online", "offline", "online", "leave", "offline", "stop"
        ]
    );
    // One after the other, in the order of registration.
    for what in ["mount", "start", "offline", "stop"] {
        let who: Vec<_> = seen
            .iter()
            .filter(|line| line.ends_with(&format!(" {what}")))
            .collect();
        assert!(
            who.chunks(2)
                .all(|pair| pair[0].starts_with('a') && pair[1].starts_with('b')),
            "{who:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn failed_module_start_ends_the_component() {
    let log = Log::default();
    let host = campanile_testing::host::Host::new("secret");
    let builder = campanile::component::Component::builder(BOT)
        .connector(host.connector())
        .secret("secret");
    let modules: [Arc<dyn Module>; 2] = [
        Arc::new(Diary::new("a", &log, |_| Act::Fail)),
        Arc::new(Diary::new("b", &log, |_| Act::Nothing)),
    ];
    let error = start(builder.modules(modules)).ended().await.unwrap_err();
    assert!(error.link_error().is_none(), "{error}");
    assert_eq!(*log.lock().unwrap(), ["a mount", "b mount", "a start"]);
}

#[tokio::test(start_paused = true)]
async fn panicking_or_hanging_module_does_not_block_others() {
    let log = Log::default();
    let panics = |what: &str| {
        if what == "start" {
            Act::Nothing
        } else {
            Act::Panic
        }
    };
    let hangs = |what: &str| {
        if what == "start" {
            Act::Nothing
        } else {
            Act::Forever
        }
    };
    let modules = [
        Diary::new("a", &log, panics),
        Diary::new("b", &log, hangs),
        Diary::new("c", &log, |_| Act::Nothing),
    ];
    let (mut bot, online) = mounted(modules).await;
    online[2].notified().await;
    let began = tokio::time::Instant::now();
    bot.running().stop();
    bot.running().ended().await.unwrap();
    let seen = log.lock().unwrap().clone();
    for what in ["online", "leave", "offline", "stop"] {
        let who = seen
            .iter()
            .filter(|line| line.ends_with(&format!(" {what}")))
            .count();
        // `online` is repeated after a panic, until the stream ends.
        let enough = who == 3 || what == "online" && who > 3;
        assert!(enough, "{what}: {seen:?}");
    }
    // The grace period of ten seconds, once for each module that hangs.
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn online_that_panics_is_counted_and_repeated() {
    let log = Log::default();
    let panics_once = |what: &str| {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        if what == "online" && CALLS.fetch_add(1, Ordering::Relaxed) == 0 {
            Act::Panic
        } else {
            Act::Nothing
        }
    };
    let (bot, online) = mounted([Diary::new("a", &log, panics_once)]).await;
    online[0].notified().await;
    assert_eq!(bot.counters().task_failures, 1);
    assert_eq!(
        *log.lock().unwrap(),
        ["a mount", "a start", "a online", "a online"]
    );
}
