//! The dispatcher: order within a lane, no waiting across lanes, limits with error replies, failing
//! handlers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::collections::{HashMap, HashSet};
use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use campanile::error::{BoxError, Condition, ErrorType, StanzaError};
use campanile::extract::{Body, Recipient, Sender};
use campanile::inbound::Inbound;
use campanile::limits::Limits;
use campanile::reply::{Deferred, Reply, Responder};
use campanile::router::Router;
use campanile::stanza::Stanza;
use campanile_testing::host::User;
use campanile_testing::{Mounted, mount};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tower::limit::ConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::{Service, ServiceBuilder};

const BOT: &str = "bot.localhost";
const X: (&str, &str) = ("urn:x", "x");
const Y: (&str, &str) = ("urn:y", "y");

fn ask(id: impl std::fmt::Display, to: &str, name: &str) -> String {
    format!("<iq to='{to}' type='get' id='{id}'><{name} xmlns='urn:{name}'/></iq>")
}

fn error_of(stanza: &Stanza) -> (Condition, ErrorType) {
    assert!(stanza.kind().is_error(), "{}", stanza.to_xml());
    let error = StanzaError::from_stanza(stanza);
    (error.condition(), error.error_type())
}

async fn quick() {}

async fn bot(router: Router, change: impl FnOnce(&mut Limits)) -> Mounted {
    let mut limits = Limits::default();
    change(&mut limits);
    mount(BOT, |bot| bot.router(router).limits(limits)).await
}

// Order.

#[tokio::test(start_paused = true)]
async fn slow_handler_does_not_delay_other_senders() {
    let slow = async |Sender(who): Sender| {
        if who.to_string().starts_with("alice@") {
            sleep(Duration::from_secs(5)).await;
        }
    };
    let bot = bot(Router::new().iq_get(X, slow), |_| {}).await;
    let alice = bot.user("alice@localhost");
    let bob = bot.user("bob@localhost");
    let began = Instant::now();
    alice.send(ask(1, BOT, "x")).await.unwrap();
    alice.send(ask(2, BOT, "x")).await.unwrap();
    // Another recipient is another lane, even for the same sender; only the requests are slow.
    alice
        .send(ask(3, "other@bot.localhost", "x"))
        .await
        .unwrap();
    for id in 0..100 {
        bob.ask(&ask(id, BOT, "x"), "<iq type='result'/>").await;
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = alice.recv().await.unwrap();
        seen.push((answer.id().unwrap().to_owned(), began.elapsed().as_secs()));
    }
    seen.sort();
    assert_eq!(
        seen,
        [
            ("1".to_owned(), 5),
            ("2".to_owned(), 10),
            ("3".to_owned(), 5)
        ]
    );
}

/// Yields as many times as the text says: no two runs are the same, without any randomness.
async fn yields(Body(body): Body) -> String {
    let turns = body.bytes().fold(0u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    for _ in 0..turns % 5 {
        tokio::task::yield_now().await;
    }
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_stanzas_of_hundred_senders_are_answered_in_order() {
    const WINDOW: usize = 100;
    let bot = bot(Router::new().message(yields), |_| {}).await;
    let senders = (0..100).map(|n| {
        let user = bot.user(&format!("user{n}@localhost"));
        tokio::spawn(async move {
            for n in 0..1000 {
                if n >= WINDOW {
                    next_is(&user, n - WINDOW).await;
                }
                user.say(BOT, &format!("{n}:{}", user.jid())).await.unwrap();
            }
            for n in 1000 - WINDOW..1000 {
                next_is(&user, n).await;
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    assert_eq!((bot.counters().taken, bot.counters().shed), (100_000, 0));
}

async fn next_is(user: &User, n: usize) {
    let answer = timeout(Duration::from_secs(60), user.recv())
        .await
        .unwrap()
        .unwrap();
    let body = answer.children().first().unwrap();
    assert_eq!(body.text(), format!("{n}:{}", user.jid()));
}

#[tokio::test(start_paused = true)]
async fn custom_ordering_is_applied() {
    let handler = async |Body(body): Body| {
        sleep(Duration::from_secs(if body == "slow" { 5 } else { 1 })).await;
        body
    };
    let order = async |bot: Mounted| {
        let alice = bot.user("alice@localhost");
        let bob = bot.user("bob@localhost");
        for (user, body) in [(&alice, "slow"), (&alice, "next"), (&bob, "other")] {
            user.say(BOT, body).await.unwrap();
        }
        let began = Instant::now();
        let at = async |user: &User, body: &str| {
            user.expect_among(&format!(
                "<message type='chat'><body>{body}</body></message>"
            ))
            .await;
            began.elapsed().as_secs()
        };
        tokio::join!(at(&alice, "slow"), at(&alice, "next"), at(&bob, "other"))
    };
    let router = || Router::new().message(handler);
    assert_eq!(
        order(mount(BOT, |bot| bot.router(router())).await).await,
        (5, 6, 1)
    );
    assert_eq!(
        order(mount(BOT, |bot| bot.router(router()).ordering(|_| None)).await).await,
        (5, 1, 1)
    );
    assert_eq!(
        order(mount(BOT, |bot| bot.router(router()).ordering(|_| Some(7))).await).await,
        (5, 6, 7)
    );
}

#[tokio::test(start_paused = true)]
async fn reply_of_yielding_handler_is_sent_at_once() {
    let bot = bot(Router::new().iq_get(X, tokio::task::yield_now), |_| {}).await;
    let alice = bot.user("alice@localhost");
    let began = Instant::now();
    for id in 0..100 {
        alice.ask(&ask(id, BOT, "x"), "<iq type='result'/>").await;
    }
    // The paused clock does not advance while any task is runnable: nothing waited for the next
    // tick of the connection.
    assert_eq!(began.elapsed(), Duration::ZERO);
}

// Limits.

/// Floods a component from one sender, to this many localparts.
async fn flood(alice: &User, count: usize, localparts: usize) {
    for n in 0..count {
        let to = if localparts > 1 {
            format!("bot{}@{BOT}", n % localparts)
        } else {
            BOT.to_owned()
        };
        alice.send(ask(n, &to, "x")).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn flood_is_rejected_while_another_sender_is_served() {
    for localparts in [1, 10_000] {
        let gate = Arc::new(AtomicBool::new(false));
        let open = Arc::clone(&gate);
        // Waits until the gate opens: the flood consists of requests that hang.
        let hang = move || {
            let open = Arc::clone(&open);
            async move {
                while !open.load(Ordering::Relaxed) {
                    sleep(Duration::from_secs(1)).await;
                }
            }
        };
        let router = Router::new().iq_get(X, hang).iq_get(Y, quick);
        let bot = bot(router, |limits| {
            (limits.handler_timeout, limits.in_flight) = (Duration::from_secs(3600), 512);
        })
        .await;
        let mallory = bot.user("mallory@evil.example");
        let bob = bot.user("bob@localhost");
        const COUNT: usize = 12_000;
        let waiting = Limits::default().waiting / 4;
        let running = if localparts == 1 { 1 } else { 512 / 4 };
        let flooding = flood(&mallory, COUNT, localparts);
        let serving = async {
            for id in 0..200 {
                let began = Instant::now();
                bob.ask(&ask(id, BOT, "y"), "<iq type='result'/>").await;
                assert!(began.elapsed() < Duration::from_millis(50));
            }
        };
        tokio::join!(flooding, serving);
        // Each request beyond a quarter of the running and queued ones gets an error.
        bot.counted(|counters| counters.shed == (COUNT - waiting - running) as u64)
            .await;
        bob.ask(&ask("still", BOT, "y"), "<iq type='result'/>")
            .await;
        while mallory.waiting() < COUNT - waiting - running {
            tokio::task::yield_now().await;
        }
        let mut answered = HashSet::new();
        while mallory.waiting() > 0 {
            let refusal = mallory.recv().await.unwrap();
            assert_eq!(
                error_of(&refusal),
                (Condition::ResourceConstraint, ErrorType::Wait)
            );
            assert!(answered.insert(refusal.id().unwrap().to_owned()));
        }
        assert_eq!(answered.len(), COUNT - waiting - running, "{localparts}");
        // The rest is handled as soon as possible.
        gate.store(true, Ordering::Relaxed);
        while answered.len() < COUNT {
            let answer = timeout(Duration::from_secs(60), mallory.recv())
                .await
                .unwrap()
                .unwrap();
            assert!(!answer.kind().is_error() && answered.insert(answer.id().unwrap().to_owned()));
        }
        assert_eq!(bot.counters().connected, 1);
    }
}

/// However many users of one domain flood the component, an eighth of everything is left to other
/// domains.
#[tokio::test(start_paused = true)]
async fn flood_from_one_domain_leaves_capacity_for_others() {
    let router = Router::new()
        .iq_get(X, std::future::pending::<()>)
        .iq_get(Y, quick);
    let bot = bot(router, |limits| {
        (limits.in_flight, limits.waiting, limits.handler_timeout) =
            (64, 64, Duration::from_secs(3600));
    })
    .await;
    let bob = bot.user("bob@localhost");
    let crowd: Vec<_> = (0..500)
        .map(|n| bot.user(&format!("user{n}@evil.example")))
        .collect();
    for (id, mallory) in crowd.iter().enumerate() {
        mallory.send(ask(id, BOT, "x")).await.unwrap();
        // Served as usual while the others hang.
        let began = Instant::now();
        bob.ask(&ask(id, BOT, "y"), "<iq type='result'/>").await;
        assert_eq!(began.elapsed(), Duration::ZERO, "beside {id} others");
    }
    let counters = bot.counters();
    assert_eq!(
        (counters.taken, counters.shed),
        (500 + 56 + 56, 500 - 56 - 56)
    );
}

#[tokio::test(start_paused = true)]
async fn limits_apply_to_all_senders_together() {
    let gate = Arc::new(Notify::new());
    let inner = Arc::clone(&gate);
    let hang = move || {
        let gate = Arc::clone(&inner);
        async move { gate.notified().await }
    };
    let bot = bot(Router::new().iq_get(X, hang), |limits| {
        (limits.in_flight, limits.waiting) = (16, 40);
    })
    .await;
    let users: Vec<_> = (0..30)
        .map(|n| bot.user(&format!("user{n}@server{n}.example")))
        .collect();
    for id in 0..4 {
        for user in &users {
            user.send(ask(id, BOT, "x")).await.unwrap();
        }
    }
    bot.counted(|counters| counters.taken + counters.shed == 120)
        .await;
    assert_eq!((bot.counters().taken, bot.counters().shed), (16 + 40, 64));
    // Each request gets exactly one response.
    let release = async {
        while bot.counters().sent < 120 {
            gate.notify_waiters();
            tokio::task::yield_now().await;
        }
    };
    let receive = async {
        let mut refused = 0;
        for user in &users {
            let mut ids = HashSet::new();
            for _ in 0..4 {
                let answer = user.recv().await.unwrap();
                refused += usize::from(answer.kind().is_error());
                ids.insert(answer.id().unwrap().to_owned());
            }
            assert_eq!(ids.len(), 4);
        }
        assert_eq!(refused, 64);
    };
    tokio::join!(release, receive);
}

#[tokio::test(start_paused = true)]
async fn queued_bytes_are_limited() {
    let bot = bot(Router::new().message(pending::<()>), |limits| {
        limits.waiting_bytes = 400_000;
    })
    .await;
    let alice = bot.user("alice@localhost");
    for _ in 0..20 {
        alice.say(BOT, &"x".repeat(10_000)).await.unwrap();
    }
    bot.counted(|counters| counters.taken + counters.shed == 20)
        .await;
    // Running and queued stanzas are limited to a quarter of the bytes.
    assert_eq!((bot.counters().taken, bot.counters().shed), (1 + 8, 11));
}

#[tokio::test(start_paused = true)]
async fn errors_for_rejected_messages_are_limited_to_one_per_second() {
    let bot = bot(Router::new().message(pending::<()>), |limits| {
        limits.waiting = 4;
    })
    .await;
    let alice = bot.user("alice@localhost");
    let bob = bot.user("bob@localhost");
    for _ in 0..5 {
        for _ in 0..100 {
            alice.say(BOT, "flood").await.unwrap();
        }
        for _ in 0..10 {
            bob.say(BOT, "flood").await.unwrap();
        }
        sleep(Duration::from_millis(1001)).await;
    }
    for user in [&alice, &bob] {
        for _ in 0..5 {
            assert_eq!(
                error_of(&user.recv().await.unwrap()),
                (Condition::ResourceConstraint, ErrorType::Wait)
            );
        }
        assert_eq!(user.waiting(), 0);
    }
    let counters = bot.counters();
    assert_eq!(
        (counters.shed, counters.shed_silently),
        (550 - counters.taken, 550 - counters.taken - 10)
    );
}

#[tokio::test(start_paused = true)]
async fn stanzas_without_a_due_error_are_rejected_silently() {
    let bot = bot(
        Router::new().message(pending::<()>).presence(pending::<()>),
        |limits| limits.waiting = 4,
    )
    .await;
    let alice = bot.user("alice@localhost");
    for _ in 0..3 {
        for silent in [
            "<message to='bot.localhost' type='chat'><active \
            xmlns='http://jabber.org/protocol/chatstates'/></message>",
            "<message to='bot.localhost' type='groupchat'><body>hi</body></message>",
            "<message to='bot.localhost' type='headline'><body>hi</body></message>",
            "<presence to='bot.localhost'/>",
        ] {
            alice.send(silent).await.unwrap();
        }
    }
    bot.counted(|counters| counters.shed == 10).await;
    alice.expect_nothing("localhost").await;
}

// Failing handlers.

#[tokio::test]
async fn panic_in_handler_replies_internal_server_error() {
    let in_call = || -> std::future::Ready<()> { panic!("in the call") };
    let in_poll = async || -> () { panic!("in the first poll") };
    let later = async || -> () {
        tokio::task::yield_now().await;
        panic!("in a later poll")
    };
    let router = Router::new()
        .iq_get(X, in_call)
        .iq_get(Y, in_poll)
        .iq_get(("urn:z", "z"), later)
        .iq_get(("urn:w", "w"), quick);
    let bot = bot(router, |_| {}).await;
    let alice = bot.user("alice@localhost");
    let error = "<iq type='error'><error type='cancel'>\
        <internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
    for round in 0..3 {
        for name in ["x", "y", "z"] {
            alice.ask(&ask(round, BOT, name), error).await;
        }
        alice
            .ask(&ask(round, BOT, "w"), "<iq type='result'/>")
            .await;
    }
    assert_eq!((bot.counters().panics, bot.counters().connected), (9, 1));
}

/// A service that is ready a limited number of times.
struct Fickle(usize, fn() -> Result<(), BoxError>);

impl Service<Inbound> for Fickle {
    type Response = Reply;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Reply, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0 = self.0.saturating_sub(1);
        Poll::Ready(if self.0 > 0 { Ok(()) } else { (self.1)() })
    }

    fn call(&mut self, _: Inbound) -> Self::Future {
        std::future::ready(Ok(Reply::Empty))
    }
}

#[tokio::test(start_paused = true)]
async fn failed_service_ends_the_component() {
    let failures: [fn() -> Result<(), BoxError>; 2] = [
        || Err("the disk is gone".into()),
        || panic!("the disk is gone"),
    ];
    for failure in failures {
        let mut bot = mount(BOT, |bot| bot.service(Fickle(3, failure))).await;
        let alice = bot.user("alice@localhost");
        for id in 0..2 {
            alice.ask(&ask(id, BOT, "x"), "<iq type='result'/>").await;
        }
        alice.send(ask(3, BOT, "x")).await.unwrap();
        let error = bot.running().ended().await.unwrap_err();
        assert!(error.link_error().is_none(), "{error}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("the disk is gone"), "{source}");
    }
}

#[tokio::test(start_paused = true)]
async fn handler_times_out() {
    let bot = bot(
        Router::new().iq_get(X, pending::<()>).iq_get(Y, quick),
        |_| {},
    )
    .await;
    let alice = bot.user("alice@localhost");
    let began = Instant::now();
    let answer = alice.request(ask(1, BOT, "x")).await.unwrap();
    assert_eq!(
        error_of(&answer),
        (Condition::RemoteServerTimeout, ErrorType::Wait)
    );
    assert_eq!(
        (began.elapsed(), bot.counters().timeouts),
        (Duration::from_secs(30), 1)
    );
    alice.ask(&ask(2, BOT, "y"), "<iq type='result'/>").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_handler_is_moved_to_separate_tasks() {
    let tasks: Arc<Mutex<Vec<_>>> = Arc::default();
    let seen = Arc::clone(&tasks);
    let calls = Arc::new(AtomicUsize::new(0));
    let blocks = move || {
        let seen = Arc::clone(&seen);
        let calls = Arc::clone(&calls);
        async move {
            seen.lock().unwrap().push(tokio::task::id());
            // Blocks only once.
            if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    };
    let bot = bot(Router::new().iq_get(X, blocks), |_| {}).await;
    let alice = bot.user("alice@localhost");
    for id in 0..4 {
        alice.ask(&ask(id, BOT, "x"), "<iq type='result'/>").await;
    }
    // The first call ran in the task of the component itself, each of the others in its own.
    let tasks = tasks.lock().unwrap();
    assert_eq!(tasks.iter().collect::<HashSet<_>>().len(), 4, "{tasks:?}");
}

#[tokio::test(start_paused = true)]
async fn handler_woken_from_another_thread_continues() {
    // The waker of its first poll does nothing; the task that takes over must poll it again without
    // a wake.
    let waiting: Arc<Mutex<Option<std::task::Waker>>> = Arc::default();
    let done = Arc::new(AtomicBool::new(false));
    let inner = Arc::clone(&waiting);
    let finished = Arc::clone(&done);
    let handler = move || {
        let waiting = Arc::clone(&inner);
        let done = Arc::clone(&finished);
        poll_fn(move |cx: &mut Context<'_>| {
            if done.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            *waiting.lock().unwrap() = Some(cx.waker().clone());
            Poll::Pending
        })
    };
    let bot = bot(Router::new().iq_get(X, handler), |_| {}).await;
    let alice = bot.user("alice@localhost");
    let waking = async {
        bot.counted(|counters| counters.taken == 1).await;
        sleep(Duration::from_secs(1)).await;
        done.store(true, Ordering::Relaxed);
        waiting.lock().unwrap().take().unwrap().wake();
    };
    tokio::join!(
        alice.ask(
            "<iq to='bot.localhost' type='get' id='1'><x xmlns='urn:x'/></iq>",
            "<iq type='result'/>"
        ),
        waking
    );
}

// Tower layers around the whole service.

#[tokio::test(start_paused = true)]
async fn stanzas_wait_until_the_service_is_ready() {
    let slow = async || sleep(Duration::from_secs(1)).await;
    let bot = mount(BOT, |bot| {
        bot.router(Router::new().iq_get(X, slow))
            .layer(ConcurrencyLimitLayer::new(2))
    })
    .await;
    let users: Vec<_> = (0..10)
        .map(|n| bot.user(&format!("user{n}@localhost")))
        .collect();
    let began = Instant::now();
    for user in &users {
        user.send(ask(1, BOT, "x")).await.unwrap();
    }
    for user in &users {
        user.expect("<iq type='result' id='1'/>").await;
    }
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn shed_load_replies_with_an_error() {
    let slow = async || sleep(Duration::from_secs(1)).await;
    let layer = ServiceBuilder::new()
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(2));
    let bot = mount(BOT, |bot| {
        bot.router(Router::new().iq_get(X, slow)).layer(layer)
    })
    .await;
    let users: Vec<_> = (0..5)
        .map(|n| bot.user(&format!("user{n}@localhost")))
        .collect();
    for user in &users {
        user.send(ask(1, BOT, "x")).await.unwrap();
    }
    let mut answers = HashMap::new();
    for user in &users {
        let answer = user.recv().await.unwrap();
        let condition = answer.kind().is_error().then(|| error_of(&answer).0);
        *answers.entry(condition).or_insert(0) += 1;
    }
    assert_eq!(
        answers,
        HashMap::from([(None, 2), (Some(Condition::ResourceConstraint), 3)])
    );
}

// Deferred replies.

type Promises = Arc<Mutex<Vec<Responder>>>;

/// A handler with deferred replies, which the test sends.
fn promising() -> (Router, Promises) {
    let promises = Promises::default();
    let kept = Arc::clone(&promises);
    let promise = move |_: Recipient| {
        let (later, answer) = Deferred::channel();
        kept.lock().unwrap().push(answer);
        std::future::ready(later)
    };
    (Router::new().iq_get(X, promise).iq_get(Y, quick), promises)
}

fn take(promises: &Promises) -> Responder {
    promises.lock().unwrap().remove(0)
}

#[tokio::test(start_paused = true)]
async fn deferred_reply_frees_the_lane() {
    let (router, promises) = promising();
    let bot = bot(router, |_| {}).await;
    let alice = bot.user("alice@localhost");
    for id in 0..3 {
        alice.send(ask(id, BOT, "x")).await.unwrap();
    }
    alice.ask(&ask("y", BOT, "y"), "<iq type='result'/>").await;
    let first = take(&promises);
    let second = take(&promises);
    let third = take(&promises);
    second.send(Reply::Empty);
    alice.expect("<iq type='result' id='1'/>").await;
    third.fail(StanzaError::new(Condition::ItemNotFound));
    alice
        .expect(
            "<iq type='error' id='2'><error type='cancel'><item-not-found \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        )
        .await;
    first.send(Reply::Empty);
    alice.expect("<iq type='result' id='0'/>").await;
}

#[tokio::test(start_paused = true)]
async fn dropped_deferred_reply_is_an_error() {
    let (router, promises) = promising();
    let bot = bot(router, |_| {}).await;
    let alice = bot.user("alice@localhost");
    let dropping = async {
        bot.counted(|counters| counters.taken == 1).await;
        drop(take(&promises));
    };
    let (answer, ()) = tokio::join!(alice.request(ask(1, BOT, "x")), dropping);
    assert_eq!(
        error_of(&answer.unwrap()),
        (Condition::InternalServerError, ErrorType::Cancel)
    );
    assert_eq!(bot.counters().faults, 1);
}

#[tokio::test(start_paused = true)]
async fn deferred_reply_times_out() {
    let (router, promises) = promising();
    let own = async || {
        let (later, answer) = Deferred::channel();
        tokio::spawn(async move {
            sleep(Duration::from_secs(100)).await;
            answer.send(Reply::Empty);
        });
        later.within(Duration::from_secs(7))
    };
    let bot = bot(router.iq_get(("urn:z", "z"), own), |_| {}).await;
    let alice = bot.user("alice@localhost");
    for (name, time) in [("x", 30), ("z", 7)] {
        let began = Instant::now();
        let answer = alice.request(ask(1, BOT, name)).await.unwrap();
        assert_eq!(
            error_of(&answer),
            (Condition::RemoteServerTimeout, ErrorType::Wait)
        );
        assert_eq!(began.elapsed(), Duration::from_secs(time));
    }
    // A late reply is not sent: the request already has a response.
    take(&promises).send(Reply::Empty);
    alice.expect_nothing(BOT).await;
}

#[tokio::test(start_paused = true)]
async fn deferred_reply_counts_as_in_flight_for_sender_and_in_total() {
    let (router, promises) = promising();
    let bot = bot(router, |limits| limits.in_flight = 8).await;
    let users: Vec<_> = (0..5)
        .map(|n| bot.user(&format!("user{n}@server{n}.example")))
        .collect();
    let made = || promises.lock().unwrap().len();
    for id in 0..3 {
        users[0].send(ask(id, BOT, "x")).await.unwrap();
    }
    bot.counted(|counters| counters.taken == 3).await;
    assert_eq!(made(), 2, "a quarter of eight");
    for user in &users[1..] {
        for id in 0..2 {
            user.send(ask(id, BOT, "x")).await.unwrap();
        }
    }
    bot.counted(|counters| counters.taken == 11).await;
    assert_eq!(made(), 8);
    take(&promises).send(Reply::Empty);
    users[0].expect("<iq type='result' id='0'/>").await;
    while made() < 8 {
        tokio::task::yield_now().await;
    }
    while made() > 0 {
        take(&promises).send(Reply::Empty);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
    bot.counted(|counters| counters.sent == 11).await;
}
