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

#[tokio::test]
async fn body_beside_a_chat_state_reaches_the_handler_for_bodies_before_its_receipt() {
    const ACTIVE: &str = "<active xmlns='http://jabber.org/protocol/chatstates'/>";
    let typing = async || "typing";
    let chat = async |campanile::extract::Body(body): campanile::extract::Body| body;
    let bot = campanile_testing::mount("bot.localhost", |bot| {
        let typing = Router::new().message_with("http://jabber.org/protocol/chatstates", typing);
        bot.router(
            Router::new()
                .at("both", typing.clone().message(chat).receipts())
                .at("signal", typing.clone().receipts())
                .at("task", typing.spawn().receipts()),
        )
    })
    .await;
    let alice = bot.user("alice@localhost");
    let say = |to: &str, body: &str| {
        format!(
            "<message to='{to}@bot.localhost' id='m1' type='chat'>{body}{ACTIVE}{REQUEST}</message>"
        )
    };
    const RECEIPT: &str =
        "<message type='chat'><received xmlns='urn:xmpp:receipts' id='m1'/></message>";
    const TYPING: &str = "<message type='chat' id='m1'><body>typing</body></message>";
    alice
        .send(say("both", "<body>hi</body>").as_str())
        .await
        .unwrap();
    alice.expect(RECEIPT).await;
    alice
        .expect("<message type='chat' id='m1'><body>hi</body></message>")
        .await;
    // No handler has read the text, so there is no receipt.
    for to in ["signal", "task"] {
        alice
            .send(say(to, "<body>hi</body>").as_str())
            .await
            .unwrap();
        alice.expect(TYPING).await;
    }
    alice.send(say("both", "").as_str()).await.unwrap();
    alice.expect(RECEIPT).await;
    alice.expect(TYPING).await;
}

#[tokio::test]
async fn receipts_layer_around_the_router_sends_no_receipt_for_an_unread_body() {
    let typing = async || "typing";
    let bot = campanile_testing::mount("bot.localhost", |bot| {
        bot.router(Router::new().message_with("http://jabber.org/protocol/chatstates", typing))
            .layer(campanile::receipts::ReceiptsLayer)
    })
    .await;
    let alice = bot.user("alice@localhost");
    alice
        .send(
            format!(
                "<message to='bot.localhost' id='m1' type='chat'><body>hi</body>\
                 <active xmlns='http://jabber.org/protocol/chatstates'/>{REQUEST}</message>"
            )
            .as_str(),
        )
        .await
        .unwrap();
    alice
        .expect("<message type='chat' id='m1'><body>typing</body></message>")
        .await;
}
