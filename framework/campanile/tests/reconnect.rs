//! Lost connections and reconnects: what fails at once, what waits, what is resent and what is not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use campanile::client::{Client, Empty, IqError};
use campanile::component::{Component, Status};
use campanile::error::Condition;
use campanile::extract::{Body, Sender};
use campanile::router::Router;
use campanile::stanza::Stanza;
use campanile_testing::host::{Host, User};
use campanile_testing::{Mounted, Running, mount};
use jid::Jid;
use tokio::sync::Notify;
use tokio::time::Instant;
use xmpp_parsers::ping::Ping;

const BOT: &str = "bot.localhost";

async fn waiting(bot: &Running) -> Duration {
    match bot
        .until(|status| matches!(status, Status::Waiting { .. }))
        .await
    {
        Status::Waiting { retry, .. } => retry,
        other => unreachable!("{other:?}"),
    }
}

/// Mounts a component whose handlers wait until the test releases them.
async fn held() -> (Mounted, Arc<Notify>) {
    let gate = Arc::new(Notify::new());
    let inner = Arc::clone(&gate);
    let handler = move |Body(body): Body| {
        let gate = Arc::clone(&inner);
        async move {
            gate.notified().await;
            body
        }
    };
    (
        mount(BOT, |bot| bot.router(Router::new().message(handler))).await,
        gate,
    )
}

#[tokio::test(start_paused = true)]
async fn component_reconnects_after_each_of_twenty_restarts() {
    let echo = |Body(body): Body| async move { body };
    let bot = mount(BOT, |bot| bot.router(Router::new().message(echo))).await;
    let alice = bot.user("alice@localhost");
    let bob = bot.user("bob@localhost");
    let mut answers: HashMap<String, usize> = HashMap::new();
    for round in 0..20 {
        // The component's own requests in flight, and a steady flow of messages.
        let asking = ask(&bot, bob.jid());
        bob.expect("<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
            .await;
        for n in 0..10 {
            alice.say(BOT, &format!("{round}.{n}")).await.unwrap();
        }
        bot.host().stop();
        let broken = Instant::now();
        let (result, at) = asking.await.unwrap();
        assert!(matches!(result, Err(IqError::Disconnected)), "{result:?}");
        assert_eq!(at, broken, "it fails at once");
        waiting(&bot).await;
        // While the server is down, requests fail at once.
        let result = bot.client().iq_get::<Empty>(bob.jid().clone(), &Ping).await;
        assert!(matches!(result, Err(IqError::Disconnected)), "{result:?}");
        alice.say(BOT, &format!("{round}.down")).await.unwrap();
        bot.host().start();
        bot.mounted().await;
        alice.say(BOT, &format!("{round}.up")).await.unwrap();
        loop {
            let answer = alice.recv().await.unwrap();
            // Messages sent while the component was disconnected have come back as errors, without
            // their bodies.
            let Some(body) = answer.children().find("jabber:client", "body") else {
                continue;
            };
            let text = body.text().into_owned();
            *answers.entry(text.clone()).or_default() += 1;
            if text == format!("{round}.up") {
                break;
            }
        }
    }
    assert!(answers.values().all(|&count| count == 1), "{answers:?}");
    assert_eq!(
        (bot.counters().connected, bot.wire().attempts() >= 21),
        (21, true)
    );
}

/// Starts a request of the component; returns its result and when that was known.
fn ask(bot: &Mounted, peer: &Jid) -> tokio::task::JoinHandle<(Result<(), IqError>, Instant)> {
    let client = bot.client();
    let peer = peer.clone();
    tokio::spawn(async move {
        let result = client.iq_get::<Empty>(peer, &Ping).await.map(drop);
        (result, Instant::now())
    })
}

/// Sends a request at the very moment at which a status observer is woken.
struct AskWhenTold {
    client: Client,
    peer: Jid,
    refused: Mutex<Option<bool>>,
}

impl Wake for AskWhenTold {
    fn wake(self: Arc<Self>) {
        let asking = pin!(self.client.iq_get::<Empty>(self.peer.clone(), &Ping));
        let first = asking.poll(&mut Context::from_waker(Waker::noop()));
        *self.refused.lock().unwrap() =
            Some(matches!(first, Poll::Ready(Err(IqError::Disconnected))));
    }
}

#[tokio::test(start_paused = true)]
async fn requests_work_as_soon_as_the_status_is_mounted() {
    let host = Host::new("secret");
    let bob = host.user("bob@localhost/r").unwrap();
    let component = Component::builder(BOT)
        .connector(host.connector())
        .secret("secret")
        .router(Router::new());
    let component = component.build().unwrap();
    let mut status = component.status();
    let ask = Arc::new(AskWhenTold {
        client: component.client(),
        peer: bob.jid().clone(),
        refused: Mutex::default(),
    });
    let waker = Waker::from(Arc::clone(&ask));
    let mut told = pin!(status.changed());
    assert!(
        told.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    tokio::spawn(component.run());
    host.mounted(BOT).await;
    told.await.unwrap();
    assert_eq!(*ask.refused.lock().unwrap(), Some(false));
}

#[tokio::test(start_paused = true)]
async fn reply_completed_while_disconnected_is_sent_on_the_next_stream() {
    let (bot, gate) = held().await;
    let alice = bot.user("alice@localhost");
    alice.say(BOT, "hold this").await.unwrap();
    bot.counted(|counters| counters.taken == 1).await;
    bot.host().stop();
    waiting(&bot).await;
    gate.notify_one();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(alice.waiting(), 0);
    bot.host().start();
    bot.mounted().await;
    alice
        .expect("<message type='chat' from='bot.localhost'><body>hold this</body></message>")
        .await;
    alice.expect_nothing(BOT).await;
    assert_eq!(bot.counters().stale, 0);
}

#[tokio::test(start_paused = true)]
async fn stale_reply_is_dropped() {
    let (bot, gate) = held().await;
    let alice = bot.user("alice@localhost");
    alice.say(BOT, "hold this").await.unwrap();
    bot.counted(|counters| counters.taken == 1).await;
    bot.host().stop();
    waiting(&bot).await;
    gate.notify_one();
    tokio::time::sleep(Duration::from_secs(31)).await;
    bot.host().start();
    bot.until(|status| status.is_ready()).await;
    alice.expect_nothing(BOT).await;
    bot.counted(|counters| counters.stale == 1).await;
}

/// A slow handler is not stale: the age of its reply counts from its end.
#[tokio::test(start_paused = true)]
async fn lost_connection_cancels_no_handler() {
    let (bot, gate) = held().await;
    let alice = bot.user("alice@localhost");
    alice.say(BOT, "hold this").await.unwrap();
    bot.counted(|counters| counters.taken == 1).await;
    bot.wire().cut();
    waiting(&bot).await;
    bot.mounted().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    gate.notify_one();
    alice
        .expect("<message type='chat' from='bot.localhost'><body>hold this</body></message>")
        .await;
}

/// Replies in the buffer age just like those that were not serialized yet.
#[tokio::test(start_paused = true)]
async fn buffered_replies_become_stale_too() {
    let bot = mount(BOT, |bot| {
        bot.router(Router::new().message(async |Body(body): Body| body))
    })
    .await;
    let alice = bot.user("alice@localhost");
    bot.wire().block(true);
    alice.say(BOT, "never delivered").await.unwrap();
    bot.counted(|counters| counters.taken == 1).await;
    bot.host().stop();
    waiting(&bot).await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    bot.wire().block(false);
    bot.host().start();
    bot.until(|status| status.is_ready()).await;
    alice.expect_nothing(BOT).await;
    assert_eq!(bot.counters().stale, 1);
}

#[tokio::test(start_paused = true)]
async fn stanza_sent_while_disconnected_waits_for_the_next_stream() {
    let bot = mount(BOT, |bot| bot.router(Router::new())).await;
    let alice = bot.user("alice@localhost");
    bot.host().stop();
    waiting(&bot).await;
    let client: Client = bot.client();
    let message = Stanza::chat(alice.jid().clone(), "sent while down").unwrap();
    let sending = tokio::spawn(async move { client.send(message).await });
    let given_up = Stanza::chat(alice.jid().clone(), "taken back").unwrap();
    let given_up = tokio::time::timeout(Duration::from_secs(1), bot.client().send(given_up)).await;
    assert!(given_up.is_err() && !sending.is_finished());
    bot.host().start();
    bot.mounted().await;
    alice
        .expect("<message type='chat'><body>sent while down</body></message>")
        .await;
    sending.await.unwrap().unwrap();
    alice.expect_nothing(BOT).await;
}

#[tokio::test(start_paused = true)]
async fn unwritten_request_is_not_written_after_a_reconnect() {
    let bot = mount(BOT, |bot| bot.router(Router::new())).await;
    let bob = bot.user("bob@localhost");
    bot.counted(|counters| counters.round_trips == 1).await;
    bot.wire().block(true);
    let asking = ask(&bot, bob.jid());
    tokio::task::yield_now().await;
    bot.wire().cut();
    assert!(matches!(
        asking.await.unwrap().0,
        Err(IqError::Disconnected)
    ));
    bot.wire().block(false);
    bot.mounted().await;
    bob.expect_nothing(BOT).await;
}

#[tokio::test(start_paused = true)]
async fn reconnection_delays_grow_and_reset_after_a_stable_stream() {
    let bot = mount(BOT, |bot| bot.router(Router::new())).await;
    bot.wire().refuse(true);
    bot.wire().cut();
    let mut longest = Duration::ZERO;
    while longest < Duration::from_secs(10) {
        longest = longest.max(waiting(&bot).await);
        let before = bot.wire().attempts();
        while bot.wire().attempts() == before {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::task::yield_now().await;
    }
    assert!(longest <= Duration::from_secs(60));
    bot.wire().refuse(false);
    bot.mounted().await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    bot.wire().cut();
    assert!(waiting(&bot).await <= Duration::from_secs(1));
}

/// The first attempt may fail like any other.
#[tokio::test(start_paused = true)]
async fn component_waits_for_a_server_that_is_not_up_yet() {
    let host = campanile_testing::host::Host::new("s3cr3t");
    host.stop();
    let builder = campanile::component::Component::builder(BOT)
        .connector(host.connector())
        .secret("s3cr3t");
    let bot = campanile_testing::start(builder.router(Router::new()));
    tokio::time::sleep(Duration::from_secs(300)).await;
    let alice: User = host.user("alice@localhost").unwrap();
    let offline = alice
        .request("<iq to='bot.localhost' type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await
        .unwrap();
    assert_eq!(
        campanile::error::StanzaError::from_stanza(&offline).condition(),
        Condition::RemoteServerTimeout
    );
    host.start();
    bot.mounted().await;
    alice
        .ask(
            "<iq to='bot.localhost' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
            "<iq type='result'/>",
        )
        .await;
}

/// Stanzas that were read but not handled are handled, and answered on the next stream.
#[tokio::test(start_paused = true)]
async fn queued_stanzas_outlive_the_connection() {
    let (bot, gate) = held().await;
    let alice = bot.user("alice@localhost");
    for n in 0..5 {
        alice.say(BOT, &n.to_string()).await.unwrap();
    }
    bot.counted(|counters| counters.taken == 5).await;
    bot.host().stop();
    waiting(&bot).await;
    bot.host().start();
    bot.mounted().await;
    for n in 0..5 {
        gate.notify_one();
        alice
            .expect(&format!("<message type='chat'><body>{n}</body></message>"))
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn late_response_from_the_previous_stream_is_unsolicited() {
    let bot = mount(BOT, |bot| {
        bot.router(Router::new().message(async |Sender(who): Sender| who.to_string()))
    })
    .await;
    let bob = bot.user("bob@localhost");
    let asking = ask(&bot, bob.jid());
    let ping = bob
        .expect("<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await;
    bot.wire().cut();
    assert!(asking.await.unwrap().0.is_err());
    bot.mounted().await;
    bob.answer(&ping, campanile::reply::Reply::Empty)
        .await
        .unwrap();
    bot.counted(|counters| counters.unsolicited == 1).await;
}
