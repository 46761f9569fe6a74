//! Outbound layers: what they see, what they may do, and who receives the error of a rejected
//! stanza.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use campanile::client::{Empty, IqError, SendError};
use campanile::component::ComponentBuilder;
use campanile::error::{BoxError, Condition, StanzaError};
use campanile::extract::{Body, Payload};
use campanile::limits::Limits;
use campanile::reply::Reply;
use campanile::router::Router;
use campanile::stanza::{Kind, Stanza, WriteError};
use campanile_testing::{Mounted, mount};
use jid::Jid;
use tokio::time::{Instant, sleep};
use tower::limit::RateLimitLayer;
use tower::util::MapRequestLayer;
use tower::{Layer, Service};
use xmpp_parsers::ping::Ping;
use xmpp_parsers::version::VersionResult;

const BOT: &str = "bot.localhost";
const SECOND: Duration = Duration::from_secs(1);

/// Mounts a component that echoes messages and answers version requests.
async fn bot(complete: impl FnOnce(ComponentBuilder) -> ComponentBuilder) -> Mounted {
    let version = async || {
        Payload(VersionResult {
            name: "x".into(),
            version: "1".into(),
            os: None,
        })
    };
    let router = Router::new()
        .message(async |Body(body): Body| body)
        .iq_get("jabber:iq:version", version);
    mount(BOT, |bot| complete(bot.router(router))).await
}

fn message(to: &Jid, body: &str) -> Stanza {
    Stanza::chat(to.clone(), body).unwrap()
}

fn text(stanza: &Stanza) -> String {
    stanza
        .children()
        .first()
        .map(|child| child.text().into_owned())
        .unwrap_or_default()
}

/// The action of a layer on a stanza.
enum Verdict {
    Pass(Stanza),
    Keep,
    Twice(Stanza),
    Refuse(StanzaError),
    Wait(Duration, Stanza),
    Stuck,
}

/// A layer that applies the verdict of a function.
#[derive(Clone)]
struct Judge(fn(Stanza) -> Verdict);

struct Judging<S>(fn(Stanza) -> Verdict, Arc<Mutex<S>>);

impl<S> Layer<S> for Judge {
    type Service = Judging<S>;

    fn layer(&self, inner: S) -> Judging<S> {
        Judging(self.0, Arc::new(Mutex::new(inner)))
    }
}

impl<S> Service<Stanza> for Judging<S>
where
    S: Service<Stanza, Response = (), Error = BoxError, Future: Send> + Send + 'static,
{
    type Response = ();
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.1.lock().unwrap().poll_ready(cx)
    }

    fn call(&mut self, stanza: Stanza) -> Self::Future {
        let verdict = (self.0)(stanza);
        let inner = Arc::clone(&self.1);
        let pass = move |stanza| inner.lock().unwrap().call(stanza);
        Box::pin(async move {
            match verdict {
                Verdict::Pass(stanza) => pass(stanza).await,
                Verdict::Keep => Ok(()),
                Verdict::Twice(stanza) => {
                    pass(stanza.clone()).await?;
                    pass(stanza).await
                }
                Verdict::Refuse(error) => Err(error.into()),
                Verdict::Wait(time, stanza) => {
                    sleep(time).await;
                    pass(stanza).await
                }
                Verdict::Stuck => std::future::pending().await,
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn all_stanzas_pass_layers_in_wire_order() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tap = |mark: &'static str| {
        let seen = Arc::clone(&seen);
        MapRequestLayer::new(move |stanza: Stanza| {
            assert_eq!(stanza.from().map(Jid::as_str), Some(BOT));
            assert!(stanza.id().is_some() || matches!(stanza.kind(), Kind::Presence(_)));
            let to = stanza.to().unwrap().node().unwrap().to_owned();
            seen.lock()
                .unwrap()
                .push(format!("{mark} {} {to} {}", stanza.kind(), text(&stanza)));
            stanza
        })
    };
    let bot = bot(|bot| bot.outbound(tap("inner")).outbound(tap("outer"))).await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    alice.say(BOT, "hello").await.unwrap();
    alice
        .expect("<message type='chat' from='bot.localhost'><body>hello</body></message>")
        .await;
    client.send(message(alice.jid(), "news")).await.unwrap();
    alice
        .expect("<message type='chat'><body>news</body></message>")
        .await;
    let asking = client.clone();
    let to = alice.jid().clone();
    let asking = tokio::spawn(async move { asking.iq_get::<Empty>(to, &Ping).await });
    let ping = alice
        .expect("<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await;
    alice.answer(&ping, Reply::Empty).await.unwrap();
    asking.await.unwrap().unwrap();
    alice.expect_nothing(BOT).await;
    let wanted = [
        "message chat alice hello",
        "message chat alice news",
        "iq get alice ",
        "iq result alice ",
    ];
    let wanted: Vec<_> = wanted
        .iter()
        .flat_map(|line| [format!("outer {line}"), format!("inner {line}")])
        .collect();
    assert_eq!(*seen.lock().unwrap(), wanted);
}

#[tokio::test(start_paused = true)]
async fn layer_can_modify_drop_and_duplicate_stanzas() {
    let judge = Judge(|stanza| match text(&stanza).as_str() {
        "keep" => Verdict::Keep,
        "twice" => Verdict::Twice(stanza),
        _ => Verdict::Pass(stanza.with_lang("fr")),
    });
    let bot = bot(|bot| bot.outbound(judge)).await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    for text in ["keep", "twice", "once"] {
        client.send(message(alice.jid(), text)).await.unwrap();
    }
    for text in ["twice", "twice"] {
        alice
            .expect(&format!(
                "<message type='chat'><body>{text}</body></message>"
            ))
            .await;
    }
    alice
        .expect("<message type='chat' xml:lang='fr'><body>once</body></message>")
        .await;
    alice.expect_nothing(BOT).await;
}

#[tokio::test(start_paused = true)]
async fn rejected_stanza_fails_for_its_sender() {
    let judge = Judge(|stanza| {
        let payload = stanza
            .children()
            .first()
            .map(|child| child.name().to_owned());
        let bad =
            text(&stanza) == "bad" || payload.is_some_and(|name| name == "query" || name == "ping");
        let error = StanzaError::new(Condition::NotAllowed).with_text("audit");
        if bad {
            Verdict::Refuse(error)
        } else {
            Verdict::Pass(stanza)
        }
    });
    let bot = bot(|bot| bot.outbound(judge)).await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    let error = |name: &str| {
        format!(
            "<{name} type='error'><error type='cancel'><not-allowed \
            xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>audit</text></error></{name}>"
        )
    };
    alice.say(BOT, "bad").await.unwrap();
    alice.expect(&error("message")).await;
    let version = "<iq type='get' to='bot.localhost'><query xmlns='jabber:iq:version'/></iq>";
    alice.ask(version, &error("iq")).await;
    let sent = client.send(message(alice.jid(), "bad")).await;
    let why = match sent {
        Err(SendError::Layer(error)) => error.downcast::<StanzaError>().unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(why.condition(), Condition::NotAllowed);
    let began = Instant::now();
    let asked = client.iq_get::<Empty>(alice.jid().clone(), &Ping).await;
    assert!(matches!(asked, Err(IqError::Layer(_))), "{asked:?}");
    assert_eq!(began.elapsed(), Duration::ZERO);
    alice.say(BOT, "good").await.unwrap();
    alice
        .expect("<message type='chat'><body>good</body></message>")
        .await;
    assert_eq!(
        (bot.counters().unwritable, bot.counters().connected),
        (2, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn layer_cannot_write_invalid_stanzas() {
    let judge = Judge(|stanza| match text(&stanza).as_str() {
        "id" => Verdict::Pass(stanza.with_id("\u{1}")),
        "from" => Verdict::Pass(stanza.with_from(Jid::new("mallory@evil.example").unwrap())),
        _ => Verdict::Pass(stanza.with_text("subject", &"x".repeat(600_000)).unwrap()),
    });
    let bot = bot(|bot| bot.outbound(judge)).await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    let mut faults = Vec::new();
    for body in ["id", "from", "large"] {
        match client.send(message(alice.jid(), body)).await {
            Err(SendError::Write(error)) => faults.push(error),
            other => panic!("{other:?}"),
        }
    }
    let [
        WriteError::Character('\u{1}'),
        WriteError::ForeignSender(_),
        WriteError::TooLarge { .. },
    ] = faults[..]
    else {
        panic!("{faults:?}")
    };
    alice.say(BOT, "id").await.unwrap();
    let error = "<error type='cancel'><internal-server-error \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    alice
        .expect(&format!("<message type='error'>{error}</message>"))
        .await;
    assert_eq!(
        (
            bot.counters().unwritable,
            bot.counters().connected,
            alice.waiting()
        ),
        (1, 1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn echo_that_a_layer_makes_too_large_is_a_fault_of_its_sender() {
    let longer = |stanza: Stanza| stanza.with_text("subject", &"x".repeat(1000)).unwrap();
    let judge = MapRequestLayer::new(longer);
    let bot = bot(|bot| bot.outbound(judge)).await;
    let alice = bot.user("alice@localhost");
    alice.say(BOT, &"x".repeat(524_000)).await.unwrap();
    let error = "<error type='modify'><policy-violation \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    alice
        .expect(&format!("<message type='error'>{error}</message>"))
        .await;
    let counters = bot.counters();
    assert_eq!((counters.oversize, counters.unwritable), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn waiting_layer_keeps_the_order() {
    // The first stanza waits longest.
    let judge =
        Judge(|stanza| Verdict::Wait(SECOND / (1 + text(&stanza).parse::<u32>().unwrap()), stanza));
    let bot = bot(|bot| bot.outbound(judge)).await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    let began = Instant::now();
    let sends = (0..5).map(|n| {
        let client = client.clone();
        let message = message(alice.jid(), &n.to_string());
        tokio::spawn(async move { client.send(message).await })
    });
    let sends: Vec<_> = sends.collect();
    for n in 0..5 {
        alice
            .expect(&format!("<message type='chat'><body>{n}</body></message>"))
            .await;
    }
    for send in sends {
        send.await.unwrap().unwrap();
    }
    let took = began.elapsed();
    assert!(took > SECOND * 2 && took < SECOND * 3, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn rate_limit_layer_spaces_stanzas() {
    let bot = bot(|bot| bot.outbound(RateLimitLayer::new(2, SECOND))).await;
    let alice = bot.user("alice@localhost");
    let began = Instant::now();
    for n in 0..6 {
        alice.say(BOT, &n.to_string()).await.unwrap();
    }
    for n in 0..6 {
        alice
            .expect(&format!("<message type='chat'><body>{n}</body></message>"))
            .await;
    }
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn stanza_held_too_long_by_a_layer_times_out() {
    let stuck = Judge(|stanza| {
        if text(&stanza) == "bad" {
            Verdict::Stuck
        } else {
            Verdict::Pass(stanza)
        }
    });
    let bot = bot(|bot| bot.outbound(stuck)).await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    let began = Instant::now();
    let late = client.send(message(alice.jid(), "bad")).await;
    assert!(
        matches!(&late, Err(SendError::Layer(error))
            if error.is::<tower::timeout::error::Elapsed>()),
        "{late:?}"
    );
    assert!(began.elapsed() >= SECOND * 30 && began.elapsed() <= SECOND * 32);
    alice.say(BOT, "bad").await.unwrap();
    // Longer than the timeout of `expect`.
    sleep(SECOND * 25).await;
    let timed_out = "<message type='error'><error type='wait'>\
        <remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
    alice.expect(timed_out).await;
    client.send(message(alice.jid(), "good")).await.unwrap();
    alice
        .expect("<message type='chat'><body>good</body></message>")
        .await;
}

#[tokio::test(start_paused = true)]
async fn stanza_times_out_while_layers_are_not_ready() {
    // One per hour.
    let bot = bot(|bot| bot.outbound(RateLimitLayer::new(1, SECOND * 3600))).await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    client.send(message(alice.jid(), "first")).await.unwrap();
    let began = Instant::now();
    let late = client.send(message(alice.jid(), "second")).await;
    assert!(
        matches!(&late, Err(SendError::Layer(error))
            if error.is::<tower::timeout::error::Elapsed>()),
        "{late:?}"
    );
    assert!(began.elapsed() >= SECOND * 30 && began.elapsed() <= SECOND * 32);
    alice
        .expect("<message type='chat'><body>first</body></message>")
        .await;
}

#[tokio::test(start_paused = true)]
async fn panicking_layer_affects_one_stanza() {
    let judge = Judge(|stanza| {
        if text(&stanza) == "bad" {
            panic!("on purpose")
        } else {
            Verdict::Pass(stanza)
        }
    });
    let bot = bot(|bot| bot.outbound(judge)).await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    let sent = client.send(message(alice.jid(), "bad")).await;
    assert!(matches!(sent, Err(SendError::Layer(_))), "{sent:?}");
    alice.say(BOT, "good").await.unwrap();
    alice
        .expect("<message type='chat'><body>good</body></message>")
        .await;
    assert_eq!((bot.counters().panics, bot.counters().connected), (1, 1));
}

/// An outbound layer that will never be ready again ends the component, as one around the service
/// does.
#[tokio::test(start_paused = true)]
async fn failed_layer_ends_the_component() {
    struct Broken;
    impl<S> Layer<S> for Broken {
        type Service = Broken;
        fn layer(&self, _: S) -> Broken {
            Broken
        }
    }
    impl Service<Stanza> for Broken {
        type Response = ();
        type Error = BoxError;
        type Future = std::future::Ready<Result<(), BoxError>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Err("broken".into()))
        }
        fn call(&mut self, _: Stanza) -> Self::Future {
            unreachable!("it is not ready")
        }
    }
    let mut bot = bot(|bot| bot.outbound(Broken)).await;
    let sent = bot
        .client()
        .send(message(&Jid::new("alice@localhost/home").unwrap(), "hi"))
        .await;
    assert!(matches!(sent, Err(SendError::Closed)), "{sent:?}");
    let error = bot.running().ended().await.unwrap_err();
    assert!(error.link_error().is_none(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn stanzas_queued_for_layers_outlive_the_connection() {
    let judge = Judge(|stanza| Verdict::Wait(SECOND * 2, stanza));
    let bot = bot(|bot| bot.outbound(judge)).await;
    let alice = bot.user("alice@localhost");
    for n in 0..3 {
        alice.say(BOT, &n.to_string()).await.unwrap();
    }
    bot.counted(|counters| counters.taken == 3).await;
    bot.wire().cut();
    for n in 0..3 {
        alice
            .expect(&format!("<message type='chat'><body>{n}</body></message>"))
            .await;
    }
    assert_eq!(bot.counters().connected, 2);
}

#[tokio::test(start_paused = true)]
async fn stanzas_queued_for_layers_are_sent_before_the_stream_is_closed() {
    let judge = Judge(|stanza| Verdict::Wait(SECOND, stanza));
    let mut bot = bot(|bot| bot.outbound(judge)).await;
    let alice = bot.user("alice@localhost");
    for n in 0..5 {
        alice.say(BOT, &n.to_string()).await.unwrap();
    }
    bot.counted(|counters| counters.taken == 5).await;
    bot.running().stop();
    bot.running().ended().await.unwrap();
    assert_eq!(alice.waiting(), 5);
}

/// Nothing grows without limit while the layers block: the reader stops, as it does for a server
/// that accepts nothing.
#[tokio::test(start_paused = true)]
async fn blocked_layers_stop_the_reader() {
    let judge = Judge(|stanza| Verdict::Wait(SECOND, stanza));
    let mut limits = Limits::default();
    (limits.outbound, limits.max_stanza_out) = (32 * 1024, 16 * 1024);
    // However long this machine is suspended: a route that runs in separate tasks would have some
    // more stanzas in flight.
    limits.slow_handler = Duration::from_secs(3600);
    let bot = bot(|bot| bot.outbound(judge).limits(limits)).await;
    let alice = bot.user("alice@localhost");
    let flood = async {
        for n in 0..40 {
            alice
                .say(BOT, &format!("{n} {}", "x".repeat(8000)))
                .await
                .unwrap();
        }
    };
    let most = async {
        for n in 0..40 {
            let taken = bot.counters().taken;
            assert!(taken < n + 8, "{taken} taken, {n} written");
            let body = alice
                .recv()
                .await
                .unwrap()
                .children()
                .first()
                .unwrap()
                .text()
                .into_owned();
            assert!(body.starts_with(&format!("{n} ")), "{body:.20}");
        }
    };
    tokio::join!(flood, most);
}
