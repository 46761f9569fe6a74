//! Handlers that await, which the task of the connection polls: neither their wakes nor what they
//! compute delay other senders.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use campanile::extract::Body;
use campanile::router::Router;
use campanile_testing::mount;
use tokio::sync::{Barrier, mpsc, oneshot};

const BOT: &str = "bot.localhost";

fn ask(id: usize, name: &str) -> String {
    format!("<iq to='bot.localhost' type='get' id='{id}'><{name} xmlns='urn:{name}'/></iq>")
}

async fn quick() {}

/// Wakes itself at each poll, without end.
async fn spin() {
    poll_fn::<(), _>(|context| {
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_that_wake_themselves_forever_do_not_stop_the_stream() {
    let router = Router::new().iq_get("urn:x", spin).iq_get("urn:y", quick);
    let bot = mount(BOT, |bot| bot.router(router)).await;
    for n in 0..50 {
        let alice = bot.user(&format!("alice{n}@localhost"));
        alice.send(ask(n, "x")).await.unwrap();
    }
    let bob = bot.user("bob@localhost");
    for id in 0..1000 {
        bob.ask(&ask(id, "y"), "<iq type='result'/>").await;
    }
}

/// Resources of tokio are pending once a task has used up its budget. The connection shares its own
/// with the handlers that it polls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handler_that_never_waits_for_long_does_not_stop_the_stream() {
    let endless = async || {
        let (send, mut receive) = mpsc::channel(1);
        tokio::task::yield_now().await;
        while send.send(()).await.is_ok() {
            receive.recv().await.unwrap();
        }
    };
    let router = Router::new()
        .iq_get("urn:x", endless)
        .iq_get("urn:y", quick);
    let bot = mount(BOT, |bot| bot.router(router)).await;
    let alice = bot.user("alice@localhost");
    alice.send(ask(0, "x")).await.unwrap();
    let bob = bot.user("bob@localhost");
    for id in 0..1000 {
        bob.ask(&ask(id, "y"), "<iq type='result'/>").await;
    }
}

/// Each call waits until as many others as there are workers run at the same time. Before they do,
/// the route shows that it computes.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn handlers_that_compute_after_an_await_run_side_by_side() {
    let running = Arc::new(AtomicUsize::new(0));
    let shared = Arc::clone(&running);
    let compute = move |Body(body): Body| {
        let running = Arc::clone(&shared);
        async move {
            tokio::task::yield_now().await;
            let since = Instant::now();
            if body == "warm up" {
                while since.elapsed() < Duration::from_micros(200) {}
                return "warm";
            }
            running.fetch_add(1, Ordering::SeqCst);
            while running.load(Ordering::SeqCst) < 2 {
                if since.elapsed() > Duration::from_secs(20) {
                    return "alone";
                }
            }
            "together"
        }
    };
    let bot = mount(BOT, |bot| bot.router(Router::new().message(compute))).await;
    let carol = bot.user("carol@localhost");
    for _ in 0..50 {
        carol.say(BOT, "warm up").await.unwrap();
        carol
            .expect("<message type='chat'><body>warm</body></message>")
            .await;
    }
    let users = [bot.user("alice@localhost"), bot.user("bob@localhost")];
    for user in &users {
        user.say(BOT, "go").await.unwrap();
    }
    for user in &users {
        user.expect("<message type='chat'><body>together</body></message>")
            .await;
    }
}

/// A handler may complete on the wake of another thread, of a handler beside it, or of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_handler_completes_no_matter_what_wakes_it() {
    let barrier = Arc::new(Barrier::new(100));
    let (asked, mut questions) = mpsc::channel::<oneshot::Sender<()>>(10);
    let thread = std::thread::spawn(move || {
        while let Some(answer) = questions.blocking_recv() {
            answer.send(()).unwrap();
        }
    });
    let router = Router::new().message(move |Body(body): Body| {
        let barrier = Arc::clone(&barrier);
        let asked = asked.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            asked.send(answer).await.unwrap();
            answered.await.unwrap();
            barrier.wait().await;
            tokio::task::yield_now().await;
            body
        }
    });
    let bot = mount(BOT, |bot| bot.router(router)).await;
    let users: Vec<_> = (0..100)
        .map(|n| bot.user(&format!("user{n}@localhost")))
        .collect();
    for round in 0..20 {
        for user in &users {
            user.say(BOT, &round.to_string()).await.unwrap();
        }
        for user in &users {
            let expected = format!("<message type='chat'><body>{round}</body></message>");
            user.expect(&expected).await;
        }
    }
    drop(bot);
    thread.join().unwrap();
}

/// A reply is not held back for a handler that never completes.
#[tokio::test(start_paused = true)]
async fn reply_is_sent_while_another_handler_waits() {
    let router = Router::new()
        .iq_get("urn:x", pending::<()>)
        .iq_get("urn:y", tokio::task::yield_now);
    let bot = mount(BOT, |bot| bot.router(router)).await;
    let alice = bot.user("alice@localhost");
    alice.send(ask(0, "x")).await.unwrap();
    let bob = bot.user("bob@localhost");
    let began = tokio::time::Instant::now();
    for id in 0..100 {
        bob.ask(&ask(id, "y"), "<iq type='result'/>").await;
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}
