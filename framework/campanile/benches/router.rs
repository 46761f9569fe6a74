//! The cost of routing: ten routes and a thousand, with and without layers, with typed and with raw
//! arguments.
//!
//! Run it with `cargo bench --bench router`. Stanzas are in the form that the reader yields. Each
//! figure includes the clone of the stanza, which the first row shows alone.

#![allow(clippy::expect_used, reason = "benchmarks may panic")]

mod measure;

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use campanile::client::Client;
use campanile::extract::{Args, Body, Json, Message, Payload, Sender};
use campanile::inbound::Inbound;
use campanile::layer::{AccessLayer, MetricsLayer, TraceLayer};
use campanile::reply::Reply;
use campanile::router::{PayloadPattern, Router};
use campanile::stanza::{Children, Stanza};
use campanile::tower_layer::Layer;
use campanile::tower_service::Service;
use measure::{Case, Work, table};
use serde::Deserialize;
use xso::FromXml;

const COMMANDS: &str = "http://jabber.org/protocol/commands";

/// Defines the order with a way of deriving it.
macro_rules! order {
    ($name:ident: $derive:ident) => {
        #[derive($derive)]
        #[xml(namespace = "urn:example:shelf", name = "order")]
        struct $name {
            #[xml(attribute)]
            item: String,
            #[xml(attribute)]
            quantity: u32,
        }
    };
}

order!(Order: Payload);
order!(XsoOrder: FromXml);

#[derive(Deserialize)]
struct JsonOrder {
    item: String,
    quantity: u32,
}

fn main() {
    let mut cases = vec![Case::new("clone of the stanza only", || {
        let inbound = chat();
        Box::new(move || drop(black_box(inbound.clone())))
    })];
    for count in [1, 10, 1000] {
        cases.push(Case::new(format!("{count} payloads"), move || {
            work(payloads(count), spread(count, iq))
        }));
    }
    for count in [10, 1000] {
        cases.push(Case::new(
            format!("{count} payloads, three layers around each"),
            move || work(layered(payloads(count)), spread(count, iq)),
        ));
        cases.push(Case::new(
            format!("{count} payloads, three layers around all"),
            move || {
                let whole =
                    TraceLayer.layer(MetricsLayer::new().layer(access().layer(payloads(count))));
                work(whole, spread(count, iq))
            },
        ));
    }
    for count in [10, 1000] {
        cases.push(Case::new(format!("{count} recipients"), move || {
            work(recipients(count), spread(count, chat_to))
        }));
        cases.push(Case::new(format!("{count} nodes"), move || {
            work(nodes(count), spread(count, node))
        }));
        cases.push(Case::new(format!("{count} text commands"), move || {
            work(commands(count), spread(count, command))
        }));
    }
    cases.extend(arguments());
    table(&cases);
}

/// One stanza, passed to handlers that extract increasingly more of it.
fn arguments() -> Vec<Case> {
    let order = "<order xmlns='urn:example:shelf' item='teapot' quantity='3'/>";
    let json = "<json xmlns='urn:xmpp:json:0'>{\"item\":\"teapot\",\"quantity\":3}</json>";
    let set = |payload: &str| {
        inbound(&format!(
            "<iq xmlns='jabber:client' type='set' id='1'>{payload}</iq>"
        ))
    };
    vec![
        Case::new("chat: no argument", || {
            work(Router::new().message(silent), [chat()])
        }),
        Case::new("chat: Children, unparsed", || {
            work(
                Router::new().message(|all: Children| async move { drop(black_box(all)) }),
                [chat()],
            )
        }),
        Case::new("chat: Body", || {
            work(
                Router::new().message(|Body(text): Body| async move { drop(black_box(text)) }),
                [chat()],
            )
        }),
        Case::new("chat: Sender and Body", || {
            let both =
                |Sender(who): Sender, Body(text): Body| async move { drop(black_box((who, text))) };
            work(Router::new().message(both), [chat()])
        }),
        Case::new("chat: Message, whole", || {
            work(
                Router::new().message(|all: Message| async move { drop(black_box(all)) }),
                [chat()],
            )
        }),
        Case::new("order: Children, unparsed", move || {
            let raw = |all: Children| async move { drop(black_box(all)) };
            work(Router::new().iq_set("urn:example:shelf", raw), [set(order)])
        }),
        Case::new("order: Payload of a derived type", move || {
            let typed = |Payload(order): Payload<Order>| async move {
                drop(black_box((order.item, order.quantity)));
            };
            work(
                Router::new().iq_set("urn:example:shelf", typed),
                [set(order)],
            )
        }),
        Case::new("order: Payload of a type of xso", move || {
            let typed = |Payload(order): Payload<XsoOrder>| async move {
                drop(black_box((order.item, order.quantity)));
            };
            work(
                Router::new().iq_set("urn:example:shelf", typed),
                [set(order)],
            )
        }),
        Case::new("order: Json of a derived type", move || {
            let typed = |Json(order): Json<JsonOrder>| async move {
                drop(black_box((order.item, order.quantity)));
            };
            work(Router::new().iq_set("urn:xmpp:json:0", typed), [set(json)])
        }),
    ]
}

async fn silent() {}

/// Creates stanzas for eight routes across the table, because a single route may be a fast case.
fn spread(count: usize, stanza: impl Fn(usize) -> Inbound) -> Vec<Inbound> {
    (0..8).map(|n| stanza(n * count / 8)).collect()
}

fn payloads(count: usize) -> Router {
    (0..count).fold(Router::new(), |router, n| {
        router.iq_get((&*format!("urn:example:service:{n}"), "query"), silent)
    })
}

fn recipients(count: usize) -> Router {
    (0..count).fold(Router::new(), |router, n| {
        router.at(&*format!("bot-{n}"), Router::new().message(silent))
    })
}

fn nodes(count: usize) -> Router {
    let command = |n| PayloadPattern::from((COMMANDS, "command")).node(&format!("node-{n}"));
    (0..count).fold(Router::new(), |router, n| router.iq_set(command(n), silent))
}

fn commands(count: usize) -> Router {
    let weather = |Args(city): Args<String>| async move { drop(black_box(city)) };
    (0..count).fold(Router::new(), |router, n| {
        router.chat_command(&*format!("!weather-{n} {{city}}"), weather)
    })
}

fn access() -> AccessLayer {
    AccessLayer::new().allow("localhost".parse().expect("a domain"))
}

fn layered(router: Router) -> Router {
    router
        .layer(access())
        .layer(MetricsLayer::new())
        .layer(TraceLayer)
}

fn iq(n: usize) -> Inbound {
    inbound(&format!(
        "<iq xmlns='jabber:client' type='get' id='1'><query xmlns='urn:example:service:{n}'/></iq>"
    ))
}

fn node(n: usize) -> Inbound {
    let xml = format!("<command xmlns='{COMMANDS}' node='node-{n}'/>");
    inbound(&format!(
        "<iq xmlns='jabber:client' type='set' id='1'>{xml}</iq>"
    ))
}

fn command(n: usize) -> Inbound {
    inbound(&format!(
        "<message xmlns='jabber:client' type='chat' id='1'><body>!weather-{n} Oslo</body></message>"
    ))
}

fn chat() -> Inbound {
    inbound(CHAT)
}

fn chat_to(n: usize) -> Inbound {
    inbound(&CHAT.replacen(" type", &format!(" to='bot-{n}@bot.localhost' type"), 1))
}

const CHAT: &str = "<message xmlns='jabber:client' type='chat' id='a1b2'><body>hello there</body>\
    <active xmlns='http://jabber.org/protocol/chatstates'/></message>";

fn inbound(xml: &str) -> Inbound {
    let element: campanile::minidom::Element = xml.parse().expect("XML");
    let mut stanza = Stanza::try_from(&element).expect("a stanza");
    if stanza.to().is_none() {
        stanza = stanza.with_to(
            "bot@bot.localhost"
                .parse::<campanile::jid::Jid>()
                .expect("a JID"),
        );
    }
    let stanza = stanza.with_from(
        "alice@localhost/desk"
            .parse::<campanile::jid::Jid>()
            .expect("a JID"),
    );
    Inbound::new(
        stanza,
        Client::detached(&"bot.localhost".parse().expect("a domain")),
    )
    .expect("addresses")
}

/// Calls the service with one stanza after the other, and polls each future once: all handlers here
/// complete at the first poll.
fn work<S>(mut service: S, inbound: impl Into<Vec<Inbound>>) -> Work
where
    S: Service<Inbound, Response = Reply> + 'static,
{
    let stanzas = inbound.into();
    let mut next = 0;
    Box::new(move || {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        next = (next + 1) % stanzas.len();
        let answer = pin!(service.call(stanzas[next].clone())).poll(&mut cx);
        assert!(matches!(black_box(answer), Poll::Ready(Ok(_))));
    })
}
