//! Addresses that a server lets through, but that `Jid` cannot hold: nothing is lost in silence.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test may say so and fail"
)]

use campanile::Component;
use campanile::extract::{Body, Sender};
use campanile::inbound::Inbound;
use campanile::layer::{AccessLayer, RateLayer, RateLimit};
use campanile::router::Router;
use campanile_testing::{Transcript, mount, start};

const BOT: &str = "bot.localhost";
const MALFORMED: &str = "<error type='modify'><jid-malformed \
    xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";

fn router() -> Router {
    let untyped = async |_: Inbound| "seen";
    let typed = async |Sender(sender): Sender| sender.to_string();
    Router::new()
        .message(untyped)
        .iq_get("urn:typed", typed)
        .at("typed", Router::new().message(typed))
}

#[tokio::test(start_paused = true)]
async fn replies_go_to_the_address_as_received() {
    let exchange = [
        (
            "<iq type='get' id='1' from='alice@localhost/🐎' to='bot.localhost'>\
             <ping xmlns='urn:xmpp:ping'/></iq>",
            "<iq from='bot.localhost' to='alice@localhost/🐎' id='1' type='result'/>",
        ),
        (
            "<iq type='get' id='2' from='alice@localhost/r' to='bot.localhost/🐎'>\
             <ping xmlns='urn:xmpp:ping'/></iq>",
            "<iq from='bot.localhost/🐎' to='alice@localhost/r' id='2' type='result'/>",
        ),
        (
            "<iq type='set' id='3' from='alice@localhost/🐎' to='bot.localhost'>\
             <x xmlns='urn:x'/></iq>",
            "<iq from='bot.localhost' to='alice@localhost/🐎' id='3' type='error'>\
             <error type='cancel'><service-unavailable \
             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        ),
        (
            "<message type='chat' id='4' from='alice@localhost/🐎' to='bot.localhost'>\
             <body>hi</body></message>",
            "<message from='bot.localhost' to='alice@localhost/🐎' id='4' type='chat'>\
             <body>seen</body></message>",
        ),
        // An IQ that is invalid in another way as well.
        (
            "<iq type='get' id='5' from='alice@localhost/🐎' to='bot.localhost'/>",
            "<iq from='bot.localhost' to='alice@localhost/🐎' id='5' type='error'>\
             <error type='modify'><bad-request \
             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        ),
        // Not even the bare JID is valid, so no handler can take it.
        (
            "<iq type='get' id='6' from='🐎@localhost/r' to='bot.localhost'>\
             <ping xmlns='urn:xmpp:ping'/></iq>",
            &format!(
                "<iq from='bot.localhost' to='🐎@localhost/r' id='6' type='error'>{MALFORMED}</iq>"
            ),
        ),
        (
            "<message type='chat' id='7' from='alice@localhost/r' to='🐎@bot.localhost'>\
             <body>hi</body></message>",
            &format!(
                "<message from='🐎@bot.localhost' to='alice@localhost/r' id='7' type='error'>\
                 {MALFORMED}</message>"
            ),
        ),
    ];
    let mut server = Transcript::opening(BOT).self_ping(BOT);
    for (request, reply) in exchange {
        server = server.send(request).expect(reply);
    }
    // Neither a response nor a stanza without a reply is lost uncounted.
    server = server
        .send("<presence from='alice@localhost/🐎' to='bot.localhost'/>")
        .send("<iq type='result' id='8' from='alice@localhost/🐎' to='bot.localhost'/>")
        .send("<message from='alice@local host/r' to='bot.localhost'><body>hi</body></message>");
    let (connector, played) = Transcript::play([server]);
    let bot = start(
        Component::builder(BOT)
            .connector(connector)
            .secret("s3cr3t")
            .router(router()),
    );
    bot.mounted().await;
    played.done().await;
    bot.counted(|counters| counters.stray == 1).await;
    let counters = bot.counters();
    assert_eq!((counters.raw_addresses, counters.unsolicited), (7, 1));
    drop(bot);
}

#[tokio::test(start_paused = true)]
async fn extractor_of_the_address_replies_jid_malformed() {
    let server = Transcript::opening(BOT)
        .self_ping(BOT)
        .send(
            "<iq type='get' id='1' from='alice@localhost/🐎' to='bot.localhost'>\
             <x xmlns='urn:typed'/></iq>",
        )
        .expect(
            "<iq from='bot.localhost' to='alice@localhost/🐎' id='1' type='error'>\
             <error type='modify'><jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>\
             address \"alice@localhost/🐎\" has characters that are not supported</text>\
             </error></iq>",
        );
    let (connector, played) = Transcript::play([server]);
    let bot = start(
        Component::builder(BOT)
            .connector(connector)
            .secret("s3cr3t")
            .router(router()),
    );
    bot.mounted().await;
    played.done().await;
    drop(bot);
}

#[tokio::test(start_paused = true)]
async fn embedded_host_delivers_addresses_as_sent() {
    let echo = async |Body(body): Body| body;
    let bot = mount(BOT, |bot| bot.router(Router::new().message(echo))).await;
    let alice = bot.user("alice@localhost/r");
    alice
        .send("<iq type='get' id='1' to='bot.localhost/🐎'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await
        .unwrap();
    let pong = alice.recv().await.unwrap();
    assert_eq!(
        pong.raw_from(),
        Some("bot.localhost/🐎"),
        "{}",
        pong.to_xml()
    );
    alice
        .send("<message type='chat' id='2' to='x@bot.localhost/🐎'><body>hi</body></message>")
        .await
        .unwrap();
    let echoed = alice.recv().await.unwrap();
    assert_eq!(echoed.from_text(), Some("x@bot.localhost/🐎"));
    alice
        .send("<iq type='get' id='3' to='🐎@bot.localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await
        .unwrap();
    let error = alice.recv().await.unwrap();
    assert!(
        error.to_xml().contains("<jid-malformed "),
        "{}",
        error.to_xml()
    );
    assert_eq!(error.raw_from(), Some("🐎@bot.localhost"));
}

#[tokio::test(start_paused = true)]
async fn lists_hold_for_both_spellings_of_a_domain() {
    let minute = std::time::Duration::from_secs(60);
    let access = AccessLayer::new()
        .deny("bücher.example".parse().unwrap())
        .deny("mallory@xn--mnchen-3ya.example".parse().unwrap());
    let rate = RateLayer::per_domain(RateLimit::new(1, minute));
    let bot = mount(BOT, |bot| {
        bot.router(
            Router::new()
                .message(async || "hello")
                .layer(rate)
                .layer(access),
        )
    })
    .await;
    let rows = [
        ("alice@xn--bcher-kva.example", "<forbidden "),
        ("alice@bücher.example", "<forbidden "),
        ("mallory@münchen.example", "<forbidden "),
        ("alice@xn--mnchen-3ya.example", "<body>hello</body>"),
        ("alice@münchen.example", "<policy-violation "),
    ];
    for (sender, wanted) in rows {
        let user = bot.user(sender);
        user.say(BOT, "hi").await.unwrap();
        let reply = user.recv().await.unwrap().to_xml();
        assert!(reply.contains(wanted), "{sender}: {reply}");
    }
}
