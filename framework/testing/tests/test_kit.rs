//! Tests of the `testing` module: passing assertions, and the messages of failing ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use campanile::error::{BoxError, Condition, StanzaError};
use campanile::extract::{Body, Sender};
use campanile::layer::AccessLayer;
use campanile::reply::{Deferred, Reply};
use campanile::router::Router;
use campanile_testing::{Mounted, Replies};
use tokio::time::Instant;
use tower_layer::Layer;

const BOT: &str = "bot.localhost";
const HI: &str = "<message type='chat'><body>hi</body></message>";

async fn echo(Body(body): Body) -> String {
    body
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .unwrap()
}

/// Returns the panic message of a failed assertion.
fn failure(check: impl FnOnce()) -> String {
    said(&*catch_unwind(AssertUnwindSafe(check)).expect_err("the assertion fails"))
}

/// Returns the panic message of a failed test.
async fn failed(test: impl Future<Output = ()> + Send + 'static) -> String {
    said(
        &*tokio::spawn(test)
            .await
            .expect_err("the test fails")
            .into_panic(),
    )
}

async fn bot() -> Mounted {
    campanile_testing::mount(BOT, |bot| bot.router(Router::new().message(echo))).await
}

// Without a component.

#[tokio::test]
async fn call_runs_router_without_component() {
    let router = || {
        Router::new()
            .message(echo)
            .iq_get(("urn:x", "x"), async || {
                Err::<(), _>(Condition::Gone.into()) as Result<(), BoxError>
            })
    };
    let call = async |xml: &str| campanile_testing::call(router(), xml).await;
    assert_eq!(
        call(HI)
            .await
            .assert_reply(
                "<message from='bot.localhost' to='alice@localhost/home' \
                type='chat'><body>hi</body></message>"
            )
            .id(),
        None
    );
    call(
        "<message type='chat' from='bob@x/r' to='any@bot.example.org' \
        id='7'><body>hi</body></message>",
    )
    .await
    .assert_reply(
        "<message from='any@bot.example.org' to='bob@x/r' id='7' \
            type='chat'><body>{any}</body></message>",
    );
    call("<message type='groupchat'><body>hi</body></message>")
        .await
        .assert_no_reply();
    call("<iq type='get'><x xmlns='urn:x'/></iq>")
        .await
        .assert_error(Condition::Gone);
    let error = call("<iq type='set'><unknown xmlns='urn:unknown'/></iq>")
        .await
        .assert_error(Condition::ServiceUnavailable);
    assert_eq!(error.text(), None);
}

#[tokio::test(start_paused = true)]
async fn call_supports_layers_and_deferred_replies() {
    let later = async || {
        let (later, answer) = Deferred::channel();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            answer.send(Reply::Empty);
        });
        later
    };
    let ask = "<iq type='get'><x xmlns='urn:x'/></iq>";
    let began = Instant::now();
    campanile_testing::call(Router::new().iq_get(("urn:x", "x"), later), ask)
        .await
        .assert_reply("<iq type='result' id='1'/>");
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    let layer = AccessLayer::new().deny("localhost".parse().unwrap());
    campanile_testing::call(layer.layer(Router::new().message(echo)), HI)
        .await
        .assert_error(Condition::Forbidden);
    // An error of a layer becomes the stanza error that the peer would receive.
    let broken = tower::service_fn(async |_| {
        Err::<Reply, BoxError>(StanzaError::new(Condition::Conflict).into())
    });
    campanile_testing::call(broken, HI)
        .await
        .assert_error(Condition::Conflict);
}

#[tokio::test]
async fn failed_reply_assertion_shows_difference() {
    let answer = campanile_testing::call(Router::new().message(echo), HI).await;
    let other = failure(|| {
        drop(
            answer
                .assert_reply("<message type='chat'><body>ho</body></message>")
                .clone(),
        );
    });
    assert_eq!(
        other,
        "message/body is \"hi\", not \"ho\"\n   \
         asked: <message from='alice@localhost/home' to='bot.localhost' \
         type='chat'><body>hi</body></message>\n  \
         wanted: <message type='chat'><body>ho</body></message>\n    \
         seen: <message from='bot.localhost' to='alice@localhost/home' \
         type='chat'><body>hi</body></message>\n"
    );
    assert!(failure(|| answer.assert_no_reply()).contains("there is a reply"));
    assert!(
        failure(|| drop(answer.assert_error(Condition::Gone))).contains("wanted: an error gone\n")
    );
    assert!(
        failure(|| answer.assert_replies(&[HI, HI])).starts_with("there are 1 replies, not 2\n")
    );

    // An internal error reveals nothing to the peer, and everything to the test.
    let broken = async || Err::<(), BoxError>("the disk is full".into());
    let answer: Replies = campanile_testing::call(Router::new().message(broken), HI).await;
    let text = failure(|| drop(answer.assert_reply(HI).clone()));
    assert!(
        text.contains("\n   error: the disk is full\n") && text.contains("<internal-server-error "),
        "{text}"
    );
}

// With a component.

#[tokio::test(start_paused = true)]
async fn failed_expectation_shows_location_and_xml() {
    let text = failed(async {
        let bot = bot().await;
        let alice = bot.user("alice@localhost");
        let long =
            "a long body, so that the stanza does not fit on one line of a terminal, and is spread";
        alice
            .send(format!(
                "<message to='bot.localhost' id='7' type='chat'><body>{long}</body></message>"
            ))
            .await
            .unwrap();
        alice.expect(HI).await;
    })
    .await;
    let (place, rest) = text.split_once(": alice@localhost/home: ").expect(&text);
    assert!(place.starts_with(file!()), "{place}");
    let wanted = "message/body is \"a long body, so that the stanza does not fit on one line of a \
        terminal, and is spread\", not \"hi\"
  wanted: <message type='chat'><body>hi</body></message>
    seen: <message from='bot.localhost' to='alice@localhost/home' id='7' type='chat'>
            <body>a long body, so that the stanza does not fit on one line of a terminal, and is \
            spread</body>
          </message>
";
    assert_eq!(rest, wanted);
}

#[tokio::test(start_paused = true)]
async fn missing_stanza_times_out_in_virtual_time() {
    let text = failed(async {
        let bot = bot().await;
        bot.user("alice@localhost").expect(HI).await;
    })
    .await;
    assert!(
        text.contains("no stanza within 40s\n  wanted: <message type='chat'>"),
        "{text}"
    );
    let text = failed(async {
        let bot = bot().await;
        let alice = bot.user("alice@localhost");
        alice.say(BOT, "one").await.unwrap();
        alice.expect_among("<presence/>").await;
    })
    .await;
    assert!(
        text.contains("the stanza did not arrive\n  wanted: <presence/>\n    seen: <message "),
        "{text}"
    );
    let text = failed(async {
        let bot = bot().await;
        let alice = bot.user("alice@localhost");
        alice.say(BOT, "one").await.unwrap();
        alice.expect_nothing(BOT).await;
    })
    .await;
    assert!(
        text.contains("unexpected stanza\n  wanted: nothing\n    seen: <message "),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn expectations_cover_errors_and_any_order() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let bob = bot.user("bob@localhost");
    let ask = "<iq type='get' to='bot.localhost'><x xmlns='urn:x'/></iq>";
    alice.ask_error(ask, Condition::ServiceUnavailable).await;
    alice
        .send("<message to='carol@nowhere.example' type='chat'><body>hi</body></message>")
        .await
        .unwrap();
    alice.expect_error(Condition::RemoteServerNotFound).await;
    for (user, body) in [(&bob, "b"), (&alice, "a")] {
        user.send(format!(
            "<message to='carol@localhost' type='chat'><body>{body}</body></message>"
        ))
        .await
        .unwrap();
    }
    alice.expect_error(Condition::ServiceUnavailable).await;
    assert_eq!(bob.take_waiting().len(), 1);
    let carol = bot.user("carol@localhost");
    for (user, body) in [(&bob, "b"), (&alice, "a")] {
        user.say("carol@localhost", body).await.unwrap();
    }
    let message = |from: &str, body: &str| {
        format!(
            "<message from='{from}@localhost/{{any}}' type='chat'><body>{body}</body></message>"
        )
    };
    carol
        .expect_all(&[&message("alice", "a"), &message("bob", "b")])
        .await;
    let text = failed(async move {
        let bot = bot;
        let alice = bot.user("alice@localhost/other");
        alice
            .ask_error(
                "<iq type='get' to='bot.localhost'><ping xmlns='urn:xmpp:ping'/></iq>",
                Condition::Gone,
            )
            .await;
    })
    .await;
    assert!(
        text.contains("the condition or kind differs\n  wanted: an error gone\n    seen: <iq "),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn flood_is_shed_and_counted() {
    let slow = async || tokio::time::sleep(Duration::from_secs(1)).await;
    let mut limits = campanile::limits::Limits::default();
    limits.waiting = 40;
    let router = Router::new().iq_get(("urn:x", "x"), slow);
    let bot = campanile_testing::mount(BOT, |bot| bot.router(router).limits(limits)).await;
    let mallory = bot.user("mallory@evil.example");
    mallory
        .flood(100, |n| {
            format!("<iq type='get' to='bot.localhost' id='{n}'><x xmlns='urn:x'/></iq>")
        })
        .await;
    // One handler runs; the sender may occupy a quarter of the 40 queue slots.
    for _ in 0..89 {
        mallory.expect_error(Condition::ResourceConstraint).await;
    }
    let began = Instant::now();
    for _ in 0..11 {
        mallory.expect("<iq type='result'/>").await;
    }
    assert_eq!(began.elapsed().as_secs(), 11);
    assert_eq!(bot.counters().shed, 89);
}

#[tokio::test]
async fn call_fills_in_default_sender() {
    let sender = async |Sender(who): Sender| who.to_string();
    campanile_testing::call(Router::new().message(sender), HI)
        .await
        .assert_reply("<message type='chat'><body>alice@localhost/home</body></message>");
    let text = failed(async move {
        drop(campanile_testing::call(Router::new().message(sender), "<message>").await);
    })
    .await;
    assert!(
        text.starts_with("not a stanza that reaches a handler: not a single stanza"),
        "{text}"
    );
}
