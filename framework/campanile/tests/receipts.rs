//! Receipts (XEP-0184) for messages that a handler takes later.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test may say so and fail"
)]

use campanile::error::Condition;
use campanile::reply::{Deferred, IntoReply};
use campanile::router::Router;

const REQUEST: &str = "<request xmlns='urn:xmpp:receipts'/>";

#[tokio::test]
async fn what_is_answered_later_has_its_receipt_then() {
    let later = async |campanile::extract::Body(body): campanile::extract::Body| {
        let (later, promised) = Deferred::channel();
        match body.as_str() {
            "no" => promised.fail(Condition::NotAcceptable),
            body => promised.send(body.into_reply().unwrap()),
        }
        later
    };
    let bot = campanile_testing::mount("bot.localhost", |bot| {
        bot.router(Router::new().message(later).receipts())
    })
    .await;
    let alice = bot.user("alice@localhost");
    let say = |body: &str| {
        format!(
            "<message to='bot.localhost' id='m1' \
            type='chat'><body>{body}</body>{REQUEST}</message>"
        )
    };
    alice.send(say("yes").as_str()).await.unwrap();
    alice
        .expect("<message type='chat'><received xmlns='urn:xmpp:receipts' id='m1'/></message>")
        .await;
    alice
        .expect("<message type='chat' id='m1'><body>yes</body></message>")
        .await;
    alice.send(say("no").as_str()).await.unwrap();
    alice
        .expect_among(
            "<message type='error' id='m1'><error type='modify'><not-acceptable \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
        )
        .await;
    alice.expect_nothing("bot.localhost").await;
    let info = alice
        .request(
            "<iq type='get' to='bot.localhost'><query \
            xmlns='http://jabber.org/protocol/disco#info'/></iq>",
        )
        .await;
    assert!(
        info.unwrap()
            .to_xml()
            .contains("<feature var='urn:xmpp:receipts'/>")
    );
}
