//! Graceful shutdown: pending replies are sent, new requests are rejected, and the stream is closed
//! cleanly.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use campanile::client::{Empty, IqError, SendError};
use campanile::component::{Component, Status};
use campanile::error::{Condition, ErrorType, StanzaError};
use campanile::extract::Body;
use campanile::reply::{Deferred, Reply};
use campanile::router::Router;
use campanile::stanza::Stanza;
use campanile_testing::host::{Disconnect, Host};
use campanile_testing::{Mounted, Transcript, mount, start};
use jid::Jid;
use tokio::sync::Notify;
use tokio::time::Instant;
use xmpp_parsers::ping::Ping;

const BOT: &str = "bot.localhost";
const ASK: &str = "<iq to='bot.localhost' type='get' id='1'><x xmlns='urn:x'/></iq>";

/// Returns the condition and type of an error.
fn error_of(stanza: &Stanza) -> (Condition, ErrorType) {
    let error = StanzaError::from_stanza(stanza);
    (error.condition(), error.error_type())
}

/// Mounts a component whose requests take this long.
async fn slow(time: Duration) -> Mounted {
    let slow = move || async move { tokio::time::sleep(time).await };
    mount(BOT, |bot| {
        bot.router(Router::new().iq_get(("urn:x", "x"), slow))
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn idle_component_closes_its_stream_and_ends() {
    let script = Transcript::opening(BOT)
        .self_ping(BOT)
        .expect("</stream:stream>")
        .send("</stream:stream>")
        .expect_end();
    let (connector, played) = Transcript::play([script]);
    let mut bot = start(
        Component::builder(BOT)
            .connector(connector)
            .secret("s3cr3t")
            .router(Router::new()),
    );
    bot.counted(|counters| counters.round_trips == 1).await;
    bot.stop();
    bot.ended().await.unwrap();
    played.done().await;
    assert_eq!(bot.status(), Status::Ended);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_closing_tag() {
    let script = Transcript::opening(BOT)
        .self_ping(BOT)
        .expect("</stream:stream>")
        .send("<iq from='a@x' to='bot.localhost' type='get' id='1'><x xmlns='urn:x'/></iq>")
        .send("<iq from='a@x' to='bot.localhost' type='weird' id='2'/>")
        .send("<message from='a@x' to='bot.localhost'><body>hello?</body></message>")
        .send("<presence from='a@x' to='bot.localhost'/></stream:stream>")
        .expect_end();
    let (connector, played) = Transcript::play([script]);
    let mut bot = start(
        Component::builder(BOT)
            .connector(connector)
            .secret("s3cr3t")
            .router(Router::new()),
    );
    bot.counted(|counters| counters.round_trips == 1).await;
    bot.stop();
    bot.ended().await.unwrap();
    played.done().await;
    assert_eq!(bot.counters().after_close, 4);
}

/// A server with a long queue is read up to its closing tag; one that never sends it is abandoned.
#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_a_server_that_is_still_writing() {
    const LATE: &str = "<message from='a@x' to='bot.localhost'><body>hello?</body></message>";
    let opening = || {
        Transcript::opening(BOT)
            .self_ping(BOT)
            .expect("</stream:stream>")
    };
    let writes = |times| {
        (0..times).fold(opening(), |script, _| {
            script.wait(Duration::from_secs(3)).send(LATE)
        })
    };
    for (times, counted, at_most) in [(3, 3, 10), (9, 3, 12)] {
        let script = writes(times).send("</stream:stream>").expect_end();
        let (connector, played) = Transcript::play([script]);
        let mut bot = start(
            Component::builder(BOT)
                .connector(connector)
                .secret("s3cr3t")
                .router(Router::new()),
        );
        bot.counted(|counters| counters.round_trips == 1).await;
        let began = Instant::now();
        bot.stop();
        bot.ended().await.unwrap();
        assert_eq!(bot.counters().after_close, counted);
        assert!(
            began.elapsed() <= Duration::from_secs(at_most),
            "{:?}",
            began.elapsed()
        );
        if times == 3 {
            played.done().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_completes_handlers_and_rejects_new_stanzas() {
    let mut bot = slow(Duration::from_secs(5)).await;
    let alice = bot.user("alice@localhost");
    let bob = bot.user("bob@localhost");
    let begun = async {
        let began = Instant::now();
        let answer = alice.request(ASK).await.unwrap();
        assert_eq!(
            (answer.kind().is_error(), began.elapsed()),
            (false, Duration::from_secs(5))
        );
    };
    let then = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        bot.running().stop();
        let refused = bob.request(ASK).await.unwrap();
        assert_eq!(
            error_of(&refused),
            (Condition::RecipientUnavailable, ErrorType::Wait)
        );
        bob.say(BOT, "hello?").await.unwrap();
        assert_eq!(
            error_of(&bob.recv().await.unwrap()),
            (Condition::RecipientUnavailable, ErrorType::Wait)
        );
    };
    tokio::join!(begun, then);
    bot.running().ended().await.unwrap();
    assert_eq!(bot.counters().late, 2);
}

#[tokio::test(start_paused = true)]
async fn handlers_and_queued_stanzas_get_errors_after_the_grace_period() {
    let mut bot = slow(Duration::from_secs(25)).await;
    let alice = bot.user("alice@localhost");
    for id in ["runs", "waits"] {
        alice
            .send(format!(
                "<iq to='bot.localhost' type='get' id='{id}'><x xmlns='urn:x'/></iq>"
            ))
            .await
            .unwrap();
    }
    bot.counted(|counters| counters.taken == 2).await;
    let began = Instant::now();
    bot.running().stop();
    let first = alice.recv().await.unwrap();
    let second = alice.recv().await.unwrap();
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(10) && took < Duration::from_secs(12),
        "{took:?}"
    );
    let find = |id| {
        [&first, &second]
            .into_iter()
            .find(|answer| answer.id() == Some(id))
            .unwrap()
    };
    assert_eq!(
        error_of(find("runs")),
        (Condition::RemoteServerTimeout, ErrorType::Wait)
    );
    assert_eq!(
        error_of(find("waits")),
        (Condition::RecipientUnavailable, ErrorType::Wait)
    );
    bot.running().ended().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_deferred_reply() {
    let go = Arc::new(Notify::new());
    let gate = Arc::clone(&go);
    let later = move || {
        let gate = Arc::clone(&gate);
        async move {
            let (later, answer) = Deferred::channel();
            tokio::spawn(async move {
                gate.notified().await;
                answer.send(Reply::Empty);
            });
            later
        }
    };
    let mut bot = mount(BOT, |bot| {
        bot.router(Router::new().iq_get(("urn:x", "x"), later))
    })
    .await;
    let alice = bot.user("alice@localhost");
    let asking = async { alice.request(ASK).await.unwrap() };
    let stopping = async {
        bot.counted(|counters| counters.taken == 1).await;
        bot.running().stop();
        tokio::time::sleep(Duration::from_secs(3)).await;
        go.notify_one();
    };
    let (answer, ()) = tokio::join!(asking, stopping);
    assert!(!answer.kind().is_error());
    bot.running().ended().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn shutdown_sends_queued_stanzas() {
    let mut bot = slow(Duration::ZERO).await;
    let alice = bot.user("alice@localhost");
    let sends: Vec<_> = (0..200)
        .map(|n| Stanza::chat(alice.jid().clone(), &n.to_string()).unwrap())
        .collect();
    let sends: Vec<_> = sends
        .into_iter()
        .map(|stanza| (bot.client(), stanza))
        .collect();
    let sends: Vec<_> = sends
        .into_iter()
        .map(|(client, stanza)| tokio::spawn(async move { client.send(stanza).await }))
        .collect();
    tokio::task::yield_now().await;
    bot.running().stop();
    bot.running().ended().await.unwrap();
    for send in sends {
        send.await.unwrap().unwrap();
    }
    assert_eq!(alice.waiting(), 200);
    let late = bot
        .client()
        .send(Stanza::chat(alice.jid().clone(), "late").unwrap())
        .await;
    assert!(matches!(late, Err(SendError::Closed)));
    let late = bot
        .client()
        .iq_get::<Empty>(alice.jid().clone(), &Ping)
        .await;
    assert!(matches!(late, Err(IqError::Closed)), "{late:?}");
}

/// Every request is answered: by the component while it runs, and by the server afterwards. The
/// exceptions are those that the server had already routed when the component closed its side, and
/// the component counts exactly these.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered_or_counted() {
    for round in 0..3 {
        let pause = move || async move { tokio::time::sleep(Duration::from_millis(3)).await };
        let mut bot = mount(BOT, |bot| {
            bot.router(Router::new().iq_get(("urn:x", "x"), pause))
        })
        .await;
        let users: Vec<_> = (0..20)
            .map(|n| bot.user(&format!("user{n}@localhost")))
            .collect();
        let sent = Arc::new(AtomicUsize::new(0));
        let flood: Vec<_> = users
            .into_iter()
            .map(|user| {
                let sent = Arc::clone(&sent);
                tokio::spawn(async move {
                    for n in 0..300 {
                        let ask = format!(
                            "<iq to='bot.localhost' type='get' id='{n}'><x xmlns='urn:x'/></iq>"
                        );
                        user.send(ask).await.unwrap();
                        sent.fetch_add(1, Ordering::Relaxed);
                        if n % 8 == 0 {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    }
                    user
                })
            })
            .collect();
        bot.counted(|counters| counters.taken > 200 + 100 * round)
            .await;
        bot.running().stop();
        bot.running().ended().await.unwrap();
        let mut answers = 0;
        let mut ids = 0;
        for user in flood {
            let user = user.await.unwrap();
            bot.host().unmounted(BOT).await;
            let mut seen = std::collections::HashSet::new();
            while user.waiting() > 0 {
                let answer = user.recv().await.unwrap();
                answers += 1;
                assert!(
                    seen.insert(answer.id().unwrap().to_owned()),
                    "duplicate response"
                );
            }
            ids += seen.len();
        }
        let missing = sent.load(Ordering::Relaxed) - answers;
        assert_eq!(
            (answers, missing as u64),
            (ids, bot.counters().after_close),
            "{:?}",
            bot.counters()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_abandons_a_server_that_never_closes() {
    let script = || {
        Transcript::opening(BOT)
            .self_ping(BOT)
            .expect("</stream:stream>")
            .hold()
    };
    let (connector, mut played) = Transcript::play([script(), script()]);
    let mut bot = start(
        Component::builder(BOT)
            .connector(connector)
            .secret("s3cr3t")
            .router(Router::new()),
    );
    bot.counted(|counters| counters.round_trips == 1).await;
    let began = Instant::now();
    bot.stop();
    bot.ended().await.unwrap();
    assert!(
        began.elapsed() <= Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    drop(bot);
    played.next().await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_abandons_a_server_that_accepts_nothing() {
    let mut bot = slow(Duration::ZERO).await;
    let alice = bot.user("alice@localhost");
    bot.wire().block(true);
    alice.send(ASK).await.unwrap();
    bot.counted(|counters| counters.taken == 1).await;
    let began = Instant::now();
    bot.running().stop();
    bot.running().ended().await.unwrap();
    assert!(
        began.elapsed() <= Duration::from_secs(16),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn lost_connection_ends_the_shutdown() {
    let mut bot = slow(Duration::from_secs(5)).await;
    let alice = bot.user("alice@localhost");
    alice.send(ASK).await.unwrap();
    bot.counted(|counters| counters.taken == 1).await;
    bot.running().stop();
    tokio::time::sleep(Duration::from_secs(1)).await;
    bot.host().disconnect(BOT, &Disconnect::Silent);
    bot.running().ended().await.unwrap();
    assert_eq!(bot.counters().connected, 1);
}

#[tokio::test(start_paused = true)]
async fn disconnected_component_stops_at_once() {
    // While waiting for its next attempt.
    let host = Host::new("s3cr3t");
    host.stop();
    let mut bot = start(
        Component::builder(BOT)
            .connector(host.connector())
            .secret("s3cr3t")
            .router(Router::new()),
    );
    bot.until(|status| matches!(status, Status::Waiting { .. }))
        .await;
    let began = Instant::now();
    bot.stop();
    bot.ended().await.unwrap();
    // While opening a stream to a silent server.
    let (connector, _played) = Transcript::play([Transcript::new().hold()]);
    let mut bot = start(
        Component::builder(BOT)
            .connector(connector)
            .secret("s3cr3t")
            .router(Router::new()),
    );
    tokio::task::yield_now().await;
    bot.stop();
    bot.ended().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn dropped_component_ends_at_once() {
    let bot = slow(Duration::from_secs(20)).await;
    let host = bot.host().clone();
    let client = bot.client();
    let alice = bot.user("alice@localhost");
    alice.send(ASK).await.unwrap();
    bot.counted(|counters| counters.taken == 1).await;
    let began = Instant::now();
    drop(bot);
    host.unmounted(BOT).await;
    let to: Jid = alice.jid().clone();
    assert!(matches!(
        client.send(Stanza::chat(to, "late").unwrap()).await,
        Err(SendError::Closed)
    ));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn closing_the_host_is_a_lost_connection_for_the_component() {
    let echo = async |Body(body): Body| body;
    let bot = mount(BOT, |bot| bot.router(Router::new().message(echo))).await;
    let closing = tokio::spawn(bot.host().clone().close());
    let status = bot
        .until(|status| matches!(status, Status::Waiting { .. }))
        .await;
    assert!(matches!(status, Status::Waiting { refused: false, .. }));
    closing.await.unwrap();
}
