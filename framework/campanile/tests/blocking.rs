//! Handlers that block their thread: after the first slow moment, they delay their own lane only.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use campanile::Component;
use campanile::inbound::Inbound;
use campanile::layer::MetricsLayer;
use campanile::reply::IntoReply;
use campanile::router::{Filter, Router};
use campanile_testing::host::Host;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

/// Blocks the threads that enter it until it is open.
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    entered: watch::Sender<usize>,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::new(false),
            opened: Condvar::new(),
            entered: watch::Sender::new(0),
        })
    }

    fn enter(&self) {
        self.entered.send_modify(|count| *count += 1);
        if *self.entered.borrow() == 1 {
            // The first slow moment, in the task of the connection.
            std::thread::sleep(Duration::from_millis(50));
            return;
        }
        let open = self.open.lock().unwrap();
        // Longer than anything in these tests may take, but it ends.
        let wait = self
            .opened
            .wait_timeout_while(open, 4 * SOON, |open| !*open);
        drop(wait.unwrap());
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

fn workers(count: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(count)
        .enable_all()
        .build()
        .unwrap()
}

/// Runs a component on `threads` workers and blocks some of its handlers. Its server has a thread
/// of its own.
fn others_are_served(name: &str, threads: usize, blocked: usize, gate: &Arc<Gate>, router: Router) {
    let runtime = workers(threads);
    let server = workers(1);
    server.block_on(async {
        let host = Host::new("secret");
        let address = host.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let component = Component::builder("bot.localhost")
            .server(address.to_string())
            .secret("secret")
            .router(router.message(async || "hello"))
            .build()
            .unwrap();
        runtime.spawn(component.run());
        host.mounted("bot.localhost").await;
        let ask = "<iq to='bot.localhost' type='get' id='x'><x xmlns='urn:x'/></iq>";
        host.user("first@localhost")
            .unwrap()
            .request(ask)
            .await
            .unwrap();
        let users: Vec<_> = (0..blocked)
            .map(|n| host.user(&format!("user{n}@localhost")).unwrap())
            .collect();
        for user in &users {
            user.send(ask).await.unwrap();
        }
        let mut entered = gate.entered.subscribe();
        let all = entered.wait_for(|count| *count > blocked);
        let all = timeout(SOON, all).await.map(drop);
        let bob = host.user("bob@localhost").unwrap();
        bob.say("bot.localhost", "hi").await.unwrap();
        let reply = timeout(SOON, bob.recv()).await.map(|reply| reply.is_some());
        gate.open();
        let case = format!("{name}, {threads} workers, {blocked} blocked");
        assert!(all.is_ok(), "{case}: a handler that blocks delays another");
        assert!(reply.is_ok(), "{case}: another sender waits");
        for user in users {
            assert!(timeout(SOON, user.recv()).await.is_ok(), "{case}");
        }
        host.close().await;
    });
    runtime.shutdown_background();
    server.shutdown_background();
}

/// Calls the check with few and many workers, and with fewer and more blocked handlers than those.
fn check(name: &str, route: impl Fn(Arc<Gate>) -> Router) {
    for (threads, blocked) in [(2, 1), (2, 5), (8, 1), (8, 12)] {
        let gate = Gate::new();
        others_are_served(name, threads, blocked, &gate, route(Arc::clone(&gate)));
    }
}

#[test]
fn handler_that_blocks_delays_only_its_lane() {
    check("handler", |gate| {
        Router::new().iq_get("urn:x", move || {
            let gate = Arc::clone(&gate);
            async move { gate.enter() }
        })
    });
}

#[test]
fn handler_that_blocks_after_an_await_delays_only_its_lane() {
    check("handler, after an await", |gate| {
        Router::new().iq_get("urn:x", move || {
            let gate = Arc::clone(&gate);
            async move {
                tokio::task::yield_now().await;
                gate.enter();
            }
        })
    });
}

#[test]
fn function_that_blocks_before_its_future_delays_only_its_lane() {
    check("function", |gate| {
        Router::new().iq_get("urn:x", move || {
            gate.enter();
            std::future::ready(())
        })
    });
}

#[test]
fn spawned_route_that_blocks_delays_only_its_lane() {
    check("spawned", |gate| {
        Router::new()
            .iq_get("urn:x", move || {
                let gate = Arc::clone(&gate);
                async move { gate.enter() }
            })
            .layer(MetricsLayer::default())
            .spawn()
    });
}

#[test]
fn service_and_layer_that_block_delay_only_their_lanes() {
    check("service", |gate| {
        let service = tower::service_fn(move |_: Inbound| {
            gate.enter();
            std::future::ready(().into_reply())
        });
        Router::new().route_service(Filter::iq_get(), service)
    });
    check("layer", |gate| {
        Router::new()
            .iq_get("urn:x", async || ())
            .layer(tower::util::MapRequestLayer::new(
                move |inbound: Inbound| {
                    gate.enter();
                    inbound
                },
            ))
    });
}
