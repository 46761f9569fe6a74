//! Stanzas and IQ requests sent by a component outside of replies: errors for the caller that
//! causes them, responses from the address that was asked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::sync::Arc;
use std::time::Duration;

use campanile::client::{Client, Empty, IqError, IqRequest, SendError};
use campanile::error::{BoxError, Condition, StanzaError};
use campanile::extract::{Body, Sender};
use campanile::limits::Limits;
use campanile::reply::Reply;
use campanile::router::Router;
use campanile::stanza::{IqType, Kind, MessageType, Stanza, WriteError};
use campanile_testing::{Mounted, mount};
use jid::Jid;
use minidom::Element;
use tokio::sync::Notify;
use tokio::time::Instant;
use xmpp_parsers::ping::Ping;
use xmpp_parsers::version::{VersionQuery, VersionResult};

const BOT: &str = "bot.localhost";
const PING: &str = "<iq type='get' from='bot.localhost'><ping xmlns='urn:xmpp:ping'/></iq>";

async fn bot() -> Mounted {
    mount(BOT, |bot| bot.router(Router::new())).await
}

async fn bot_with(change: impl FnOnce(&mut Limits)) -> Mounted {
    let mut limits = Limits::default();
    change(&mut limits);
    mount(BOT, |bot| bot.router(Router::new()).limits(limits)).await
}

/// Starts a request; the task returns its result.
fn ask(client: Client, to: &Jid) -> tokio::task::JoinHandle<Result<(), IqError>> {
    let to = to.clone();
    tokio::spawn(async move { client.iq_get::<Empty>(to, &Ping).await.map(drop) })
}

// Sending.

#[tokio::test(start_paused = true)]
async fn invalid_stanza_fails_only_for_its_caller() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    let to = alice.jid().clone();
    let message = || Stanza::new(Kind::Message(MessageType::Chat)).with_to(to.clone());

    let body = Stanza::chat(to.clone(), "bell \u{1}");
    assert!(
        matches!(body, Err(WriteError::Character('\u{1}'))),
        "{body:?}"
    );
    let written = |result: Result<(), SendError>| match result {
        Err(SendError::Write(error)) => error,
        other => panic!("{other:?}"),
    };
    for bad in [message().with_id("\u{1}"), message().with_lang("\u{FFFF}")] {
        assert!(matches!(
            written(client.send(bad).await),
            WriteError::Character(_)
        ));
    }
    // The limit applies to the escaped stanza: `&` is five bytes.
    for (body, fits) in [
        ("x".repeat(524_288), false),
        ("&".repeat(110_000), false),
        ("&".repeat(104_000), true),
    ] {
        let sent = client.send(Stanza::chat(to.clone(), &body).unwrap()).await;
        assert_eq!(sent.is_ok(), fits);
        if fits {
            assert_eq!(
                alice
                    .recv()
                    .await
                    .unwrap()
                    .children()
                    .first()
                    .unwrap()
                    .text(),
                body
            );
        } else {
            assert!(matches!(
                written(sent),
                WriteError::TooLarge { limit: 524_288, .. }
            ));
        }
    }
    for foreign in [
        "alice@localhost",
        "localhost",
        "sub.bot.localhost",
        "xbot.localhost",
    ] {
        let sent = client
            .send(message().with_from(Jid::new(foreign).unwrap()))
            .await;
        assert!(
            matches!(written(sent), WriteError::ForeignSender(_)),
            "{foreign}"
        );
    }
    assert!(matches!(
        written(
            client
                .send(Stanza::new(Kind::Message(MessageType::Chat)))
                .await
        ),
        WriteError::NoRecipient
    ));
    let foreign = client
        .request(
            IqRequest::get(to.clone(), &Ping)
                .unwrap()
                .with_from(to.clone()),
        )
        .await;
    assert!(
        matches!(foreign, Err(IqError::Write(WriteError::ForeignSender(_)))),
        "{foreign:?}"
    );

    client
        .send(
            message()
                .with_from(Jid::new("any.body@BOT.localhost/r").unwrap())
                .with_id("1"),
        )
        .await
        .unwrap();
    alice
        .expect("<message type='chat' from='any.body@bot.localhost/r' id='1'/>")
        .await;
    alice.expect_nothing(BOT).await;
    assert_eq!(bot.counters().connected, 1);
}

/// Names of the fifth edition of XML 1.0, which the parser of both servers does not know and closes
/// the stream on.
#[tokio::test(start_paused = true)]
async fn xml_names_rejected_by_servers_fail_only_for_their_caller() {
    let router = Router::new().message(async || Reply::payload(&Element::bare("\u{1F6}", "urn:x")));
    let bot = mount(BOT, |bot| bot.router(router)).await;
    let alice = bot.user("alice@localhost");
    for name in [
        "\u{1F6}",
        "a\u{FDF0}",
        "\u{FEFF}",
        "\u{10000}",
        "\u{2C00}",
        "a\u{203F}",
    ] {
        let parent = Element::builder("x", "urn:x")
            .append(Element::bare(name, "urn:x"))
            .build();
        for element in [Element::bare(name, "urn:x"), parent] {
            let written = Stanza::iq_set(alice.jid().clone(), &element);
            assert!(
                matches!(written, Err(WriteError::Name(_) | WriteError::Value(_))),
                "{name:?}: {written:?}"
            );
        }
        let named = Stanza::new(Kind::Message(MessageType::Chat)).with_text(name, "hi");
        assert!(
            matches!(named, Err(WriteError::Name(_))),
            "{name:?}: {named:?}"
        );
    }
    alice.say(BOT, "hi").await.unwrap();
    let wanted = "<message type='error'><error type='cancel'>\
        <internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
    alice.expect(wanted).await;
    // Names that servers accept are sent.
    let known = Element::builder("é", "urn:x")
        .append(Element::bare("日\u{300}", "urn:x"))
        .build();
    bot.client()
        .send(
            Stanza::chat(alice.jid().clone(), "x")
                .unwrap()
                .with_child(&known)
                .unwrap(),
        )
        .await
        .unwrap();
    alice
        .expect("<message type='chat'><body>x</body><é xmlns='urn:x'><日\u{300}/></é></message>")
        .await;
    assert_eq!(bot.counters().connected, 1);
}

#[tokio::test(start_paused = true)]
async fn unserializable_reply_becomes_internal_server_error() {
    let large = async || "x".repeat(600_000);
    let other = async |Sender(who): Sender| Stanza::chat(who.clone(), "hi").unwrap().with_from(who);
    let router = Router::new()
        .message(large)
        .message_with(("urn:x", "x"), other);
    let bot = mount(BOT, |bot| bot.router(router)).await;
    let alice = bot.user("alice@localhost");
    let wanted = "<message type='error'><error type='cancel'>\
        <internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
    alice.say(BOT, "hi").await.unwrap();
    alice.expect(wanted).await;
    alice
        .send("<message to='bot.localhost' type='chat'><x xmlns='urn:x'/></message>")
        .await
        .unwrap();
    alice.expect(wanted).await;
    assert_eq!(
        (bot.counters().unwritable, bot.counters().connected),
        (2, 1)
    );
}

/// A component reads larger stanzas than it sends, by default.
#[tokio::test(start_paused = true)]
async fn stanza_that_is_too_large_to_be_sent_on_is_a_fault_of_its_sender() {
    let relay = async |Body(body): Body, Sender(who): Sender, client: Client| {
        let text = Stanza::new(Kind::Message(MessageType::Headline)).with_to(who);
        client.send(text.with_text("subject", &body)?).await?;
        Ok::<_, BoxError>(())
    };
    let router = Router::new()
        .message(async |Body(body): Body| body)
        .chat_command("relay", relay);
    let bot = mount(BOT, |bot| bot.router(router)).await;
    let alice = bot.user("alice@localhost");
    let wanted = "<message type='error'><error type='modify'>\
        <policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
    let large = "x".repeat(600_000);
    for body in [large.clone(), format!("!relay {large}")] {
        alice.say(BOT, &body).await.unwrap();
        alice.expect(wanted).await;
    }
    // Four times as long once it has been escaped.
    let body = ">".repeat(140_000);
    let message = format!("<message to='{BOT}' type='chat'><body>{body}</body></message>");
    alice.send(message.as_str()).await.unwrap();
    alice.expect(wanted).await;
    let counters = bot.counters();
    assert_eq!((counters.oversize, counters.unwritable), (3, 0));
    assert_eq!((counters.faults, counters.connected), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn send_waits_for_space_and_completes_when_written() {
    let bot = bot_with(|limits| {
        limits.outbound = 32 * 1024;
        limits.max_stanza_out = 16 * 1024;
    })
    .await;
    let alice = bot.user("alice@localhost");
    bot.wire().block(true);
    let send = |n: usize| {
        let client = bot.client();
        let message = Stanza::chat(alice.jid().clone(), &format!("{n} {}", "x".repeat(8000)));
        tokio::spawn(async move { client.send(message.unwrap()).await })
    };
    let sends: Vec<_> = (0..100).map(send).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(sends.iter().all(|send| !send.is_finished()));
    // A canceled stanza is not sent, whether it is waiting for space or for the socket.
    sends[20].abort();
    sends[97].abort();
    tokio::time::sleep(Duration::from_secs(1)).await;
    bot.wire().block(false);
    let began = Instant::now();
    let mut written = 0;
    for send in sends {
        written += usize::from(send.await.is_ok_and(|sent| sent.is_ok()));
    }
    let pong = alice
        .request("<iq to='bot.localhost' type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await
        .unwrap();
    assert_eq!(
        (pong.kind(), written, alice.waiting()),
        (Kind::Iq(IqType::Result), 98, 98)
    );
    // The paused clock does not advance while any task is runnable.
    assert_eq!(began.elapsed(), Duration::ZERO);
}

// IQ requests.

#[tokio::test(start_paused = true)]
async fn response_counts_only_from_the_requested_address() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let mallory = bot.user("mallory@evil.example");
    let other = bot.user("alice@localhost/other");
    let asking = ask(bot.client(), alice.jid());
    let request = alice.expect(PING).await;
    let id = request.id().unwrap();
    for forger in [&mallory, &other] {
        for kind in ["result", "error"] {
            forger
                .send(format!("<iq type='{kind}' id='{id}' to='bot.localhost'/>"))
                .await
                .unwrap();
        }
    }
    // Neither the bare JID nor the server is the address that was asked.
    bot.host().inject(
        BOT,
        &format!("<iq type='result' id='{id}' from='alice@localhost' to='bot.localhost'/>"),
    );
    bot.host().inject(
        BOT,
        &format!("<iq type='error' id='{id}' from='localhost' to='bot.localhost'/>"),
    );
    bot.host().inject(
        BOT,
        &format!("<iq type='result' id='{id}' to='bot.localhost'/>"),
    );
    bot.counted(|counters| counters.unsolicited == 7).await;
    assert!(!asking.is_finished());
    alice.answer(&request, Reply::Empty).await.unwrap();
    asking.await.unwrap().unwrap();
    // A second response is unsolicited.
    alice.answer(&request, Reply::Empty).await.unwrap();
    bot.counted(|counters| counters.unsolicited == 8).await;
}

#[tokio::test(start_paused = true)]
async fn response_payload_is_parsed() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    let to = alice.jid().clone();
    let asking = tokio::spawn(async move {
        let version = client
            .iq_get::<VersionResult>(to.clone(), &VersionQuery)
            .await;
        let wrong = client
            .iq_get::<VersionResult>(to.clone(), &VersionQuery)
            .await;
        let refused = client.iq_set::<Empty>(to, &Ping).await;
        (version, wrong, refused)
    });
    let query = "<iq type='get'><query xmlns='jabber:iq:version'/></iq>";
    let request = alice.expect(query).await;
    let version = VersionResult {
        name: "test".into(),
        version: "1".into(),
        os: None,
    };
    alice
        .answer(&request, Reply::payload(&version).unwrap())
        .await
        .unwrap();
    let request = alice.expect(query).await;
    alice
        .answer(&request, Reply::payload(&Ping).unwrap())
        .await
        .unwrap();
    let request = alice
        .expect("<iq type='set'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await;
    alice
        .answer(
            &request,
            Reply::Error(StanzaError::new(Condition::Forbidden).with_text("no")),
        )
        .await
        .unwrap();
    let (version, wrong, refused) = asking.await.unwrap();
    assert_eq!(version.unwrap().name, "test");
    assert!(matches!(wrong, Err(IqError::Answer(_))));
    assert!(matches!(refused, Err(IqError::Refused(error))
            if error.condition() == Condition::Forbidden && error.text() == Some("no")));
}

#[tokio::test(start_paused = true)]
async fn oversize_response_completes_request_with_error() {
    let bot = bot_with(|limits| limits.max_stanza_in = 10_000).await;
    let alice = bot.user("alice@localhost");
    let asking = ask(bot.client(), alice.jid());
    let request = alice.expect(PING).await;
    let result = "<iq type='result' id='ID' to='bot.localhost'><x xmlns='urn:x'>LONG</x></iq>";
    let result = result
        .replace("ID", request.id().unwrap())
        .replace("LONG", &"x".repeat(20_000));
    alice.send(result).await.unwrap();
    let error = asking.await.unwrap();
    assert!(
        matches!(&error, Err(IqError::Refused(error))
            if error.condition() == Condition::PolicyViolation),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn request_times_out() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let began = Instant::now();
    let asking = ask(bot.client(), alice.jid());
    let request = alice.expect(PING).await;
    assert!(matches!(asking.await.unwrap(), Err(IqError::Timeout)));
    assert_eq!(began.elapsed(), Duration::from_secs(30));
    alice.answer(&request, Reply::Empty).await.unwrap();
    bot.counted(|counters| counters.unsolicited == 1).await;
}

#[tokio::test(start_paused = true)]
async fn pending_requests_are_limited_and_canceled_ones_removed() {
    let bot = bot_with(|limits| limits.max_pending_iqs = 3).await;
    let alice = bot.user("alice@localhost");
    let asking: Vec<_> = (0..3).map(|_| ask(bot.client(), alice.jid())).collect();
    for _ in 0..3 {
        alice.expect(PING).await;
    }
    assert!(matches!(
        bot.client()
            .iq_get::<Empty>(alice.jid().clone(), &Ping)
            .await,
        Err(IqError::TooMany)
    ));
    asking[1].abort();
    while !asking[1].is_finished() {
        tokio::task::yield_now().await;
    }
    let another = ask(bot.client(), alice.jid());
    let request = alice.expect(PING).await;
    alice.answer(&request, Reply::Empty).await.unwrap();
    another.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn handler_can_send_request_to_its_own_sender() {
    let ask_back = async |Sender(who): Sender, client: Client| {
        let version = client.iq_get::<VersionResult>(who, &VersionQuery).await;
        version.map_or_else(|error| error.to_string(), |version| version.name)
    };
    let bot = mount(BOT, |bot| bot.router(Router::new().message(ask_back))).await;
    let alice = bot.user("alice@localhost");
    // Works even with more stanzas queued in the same lane.
    for _ in 0..3 {
        alice.say(BOT, "who are you?").await.unwrap();
    }
    for n in 0..3 {
        let request = alice
            .expect("<iq type='get'><query xmlns='jabber:iq:version'/></iq>")
            .await;
        let version = VersionResult {
            name: format!("client {n}"),
            version: "1".into(),
            os: None,
        };
        alice
            .answer(&request, Reply::payload(&version).unwrap())
            .await
            .unwrap();
        alice
            .expect(&format!(
                "<message type='chat'><body>client {n}</body></message>"
            ))
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn results_are_processed_while_all_handlers_are_busy() {
    let gate = Arc::new(Notify::new());
    let inner = Arc::clone(&gate);
    let held = move |Body(_): Body| {
        let gate = Arc::clone(&inner);
        async move { gate.notified().await }
    };
    let mut limits = Limits::default();
    (limits.in_flight, limits.waiting) = (8, 8);
    let bot = mount(BOT, |bot| {
        bot.router(Router::new().message(held)).limits(limits)
    })
    .await;
    let users: Vec<_> = (0..8)
        .map(|n| bot.user(&format!("user{n}@localhost")))
        .collect();
    for user in &users {
        for _ in 0..5 {
            user.say(BOT, "busy").await.unwrap();
        }
    }
    let asking = ask(bot.client(), users[0].jid());
    let request = users[0].expect_among(PING).await;
    users[0].answer(&request, Reply::Empty).await.unwrap();
    asking.await.unwrap().unwrap();
    assert!(bot.counters().shed > 0);
}

#[tokio::test(start_paused = true)]
async fn request_ids_are_generated_and_unique() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let mut ids = std::collections::HashSet::new();
    for _ in 0..50 {
        let request = Stanza::new(Kind::Iq(IqType::Get))
            .with_to(alice.jid().clone())
            .with_child(&Ping)
            .unwrap()
            .with_id("mine");
        let client = bot.client();
        let asking = IqRequest::new(request).with_timeout(Duration::from_secs(5));
        let asking = tokio::spawn(async move { client.request(asking).await.map(drop) });
        let request = alice.expect(PING).await;
        assert_ne!(request.id(), Some("mine"));
        ids.insert(request.id().unwrap().to_owned());
        alice.answer(&request, Reply::Empty).await.unwrap();
        asking.await.unwrap().unwrap();
    }
    assert_eq!(ids.len(), 50);
}
