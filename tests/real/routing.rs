//! Routing attributes after a real server has processed them: bodies, JSON messages, resources,
//! bounces.

use campanile::component::Component;
use campanile::error::StanzaError;
use campanile::extract::{Args, Datatype, Id, JsonMessage, Localpart, Sender};
use campanile::router::{PayloadPattern, Router};
use campanile::stanza::Stanza;
use campanile_tests::setup::SECRET;
use campanile_tests::{Server, Setup, TokioXmppClient, on_both};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{Duration, timeout};
use xmpp_parsers::message::MessageType;

const BOT: &str = "bot.localhost";

#[derive(Debug, Serialize, Deserialize)]
struct Position {
    x: i32,
    y: i32,
}

impl Datatype for Position {
    const DATATYPE: &'static str = "urn:example:position";
}

async fn weather(Args((city, days)): Args<(String, Option<u8>)>) -> String {
    format!("{city} {days:?}")
}

async fn mirror(JsonMessage(at): JsonMessage<Position>) -> JsonMessage<Position> {
    JsonMessage(Position { x: -at.x, y: at.y })
}

async fn device(Localpart((user, device)): Localpart<(String, String)>) -> String {
    format!("{user} at {device}")
}

/// Bounces, as received by the handler.
type Bounces = mpsc::UnboundedSender<(String, Option<Id>, StanzaError)>;

fn router(bounces: Bounces) -> Router {
    let bounced = move |Sender(from): Sender, id: Option<Id>, why: StanzaError| {
        let sent = bounces
            .send((from.to_string(), id, why))
            .map_err(|_| "the test is over");
        std::future::ready(sent)
    };
    Router::new()
        .chat_command(
            ("!weather {city} {days?}", "The weather in a city"),
            weather,
        )
        .message_with(PayloadPattern::datatype(Position::DATATYPE), mirror)
        .at("{user}/{device}", Router::new().message(device))
        .bounced(bounced)
}

async fn routing_attributes_survive_server(server: Server) {
    let (bounces, mut came_back) = mpsc::unbounded_channel();
    let bot = Component::builder(BOT)
        .server(server.component_address())
        .secret(SECRET)
        .router(router(bounces));
    let bot = bot.build().unwrap();
    let client = bot.client();
    let mut status = bot.status();
    let running = tokio::spawn(bot.run());
    let mounted =
        status.wait_for(|status| matches!(status, campanile::component::Status::Mounted { .. }));
    timeout(Duration::from_secs(20), mounted)
        .await
        .unwrap()
        .unwrap();

    let mut alice = TokioXmppClient::login(&server, "alice").await;
    let said = async |alice: &mut TokioXmppClient, to: &str, text: &str| {
        alice.message(to, text).await;
        alice
            .message_from(to)
            .await
            .bodies
            .into_values()
            .next()
            .unwrap()
    };
    assert_eq!(
        said(&mut alice, BOT, "!weather \"New York\" 3").await,
        "New York Some(3)"
    );
    let list = "Commands:\n!weather <city> [days] – The weather in a city";
    assert_eq!(said(&mut alice, BOT, "!help").await, list);
    assert_eq!(
        said(&mut alice, "Bob@bot.localhost/Desk 1", "hello").await,
        "bob at Desk 1"
    );

    let payload = "<payload xmlns='urn:xmpp:json-msg:0' datatype='urn:example:position'>\
        <json xmlns='urn:xmpp:json:0'>{\"x\": 3, \"y\": 4}</json></payload>";
    alice
        .message_with(BOT, MessageType::Chat, Some("I am here"), &[payload])
        .await;
    let answer = alice.message_from(BOT).await;
    let payload = answer
        .payloads
        .iter()
        .find(|payload| payload.is("payload", "urn:xmpp:json-msg:0"))
        .unwrap();
    assert_eq!(payload.attr("datatype"), Some("urn:example:position"));
    assert_eq!(
        payload.get_child("json", "urn:xmpp:json:0").unwrap().text(),
        "{\"x\":-3,\"y\":4}"
    );
    let info = alice
        .get(
            BOT,
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
        )
        .await
        .unwrap()
        .unwrap();
    let advertised = |feature: &str| {
        info.children()
            .any(|child| child.attr("var") == Some(feature))
    };
    assert!(
        advertised("urn:xmpp:json-msg:0#urn:example:position"),
        "{info:?}"
    );

    let unknown: campanile::jid::Jid = "unknown@localhost".parse().unwrap();
    client
        .send(
            Stanza::chat(unknown, "are you there?")
                .unwrap()
                .with_id("b1"),
        )
        .await
        .unwrap();
    let (from, id, why) = timeout(Duration::from_secs(20), came_back.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (from.as_str(), id),
        ("unknown@localhost", Some(Id("b1".to_owned())))
    );
    assert_eq!(why.condition().to_string(), "service-unavailable");
    running.abort();
}
on_both!(
    routing_attributes_survive_server,
    Setup::new().component(BOT)
);
