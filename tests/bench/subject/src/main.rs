//! `bench-subject PORT`: a program on the framework with one handler of each measured kind, each on
//! its own localpart.

use std::time::{Duration, Instant};

use anyhow::Context;
use campanile::client::Client;
use campanile::component::Component;
use campanile::error::BoxError;
use campanile::extract::{Body, Json, Message, Payload, StanzaRef, State};
use campanile::limits::Limits;
use campanile::router::Router;
use campanile::stanza::{Children, Stanza};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use xso::{AsXml, FromXml};

const BENCH: &str = "urn:campanile:bench";
const JSON: &str = "urn:xmpp:json:0";

/// Defines the same payload for each way of deriving it.
macro_rules! payload {
    ($module:ident: $($derive:ident),*) => {
        mod $module {
            #[allow(unused_imports, reason = "each way of deriving needs others")]
            use super::{AsXml, BENCH, FromXml, Payload};

            #[derive($($derive),*)]
            #[xml(namespace = BENCH, name = "order")]
            pub struct Order {
                #[xml(attribute)]
                item: String,
                #[xml(attribute)]
                quantity: u32,
                #[xml(attribute)]
                express: bool,
                #[xml(child)]
                note: Note,
            }

            #[derive($($derive),*)]
            #[xml(namespace = BENCH, name = "note")]
            pub struct Note {
                #[xml(text)]
                text: String,
            }
        }
    };
}

payload!(derived: Payload);
payload!(with_xso: FromXml, AsXml);

#[derive(Serialize, Deserialize)]
struct JsonOrder {
    item: String,
    quantity: u32,
    express: bool,
    note: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let port: u16 = std::env::args().nth(1).context("PORT")?.parse()?;
    let router: Router = Router::new()
        .at("bot", Router::new().message(unread))
        .at("text", Router::new().message(text))
        .at("message", Router::new().message(whole))
        .at("sent", Router::new().message(sent))
        .at("confirmed", Router::new().message(confirmed))
        .at("yield", Router::new().message(yielding))
        .at("task", Router::new().message(asking).with_state(worker()))
        .at("sleep", Router::new().message(sleeping))
        .at("compute", Router::new().message(computing))
        .at("typed", Router::new().iq_set((BENCH, "order"), typed))
        .at(
            "typed-xso",
            Router::new().iq_set((BENCH, "order"), typed_xso),
        )
        .at("json", Router::new().iq_set((JSON, "json"), json));
    let mut limits = Limits::default();
    if let Ok(seconds) = std::env::var("BENCH_OVERRUN_SECONDS") {
        limits.slow_handler = Duration::from_secs_f64(seconds.parse()?);
    }
    let component = Component::builder("echo.localhost")
        .limits(limits)
        .server(format!("127.0.0.1:{port}"))
        .secret("s3cr3t");
    component.router(router).build()?.run().await?;
    Ok(())
}

/// Returns the children unparsed.
async fn unread(children: Children) -> Children {
    children
}

async fn text(Body(text): Body) -> String {
    text
}

async fn whole(message: Message) -> Message {
    Message {
        from: None,
        to: None,
        ..message
    }
}

/// Sends the reply and waits until it is written.
async fn sent(message: StanzaRef, client: Client) -> Result<(), BoxError> {
    Ok(client.send(echo(&message)).await?)
}

/// Sends the reply and waits until the server has confirmed it.
async fn confirmed(message: StanzaRef, client: Client) -> Result<(), BoxError> {
    client.send_confirmed(echo(&message)).await?;
    Ok(())
}

fn echo(message: &Stanza) -> Stanza {
    let echo = Stanza::new(message.kind()).with_children(message.children().clone());
    let echo = echo.with_id(message.id().unwrap_or_default());
    match message.from() {
        Some(sender) => echo.with_to(sender.clone()),
        None => echo,
    }
}

async fn yielding(children: Children) -> Children {
    tokio::task::yield_now().await;
    children
}

/// A task that other tasks ask for a reply.
type Worker = mpsc::Sender<(Children, oneshot::Sender<Children>)>;

fn worker() -> Worker {
    let (asked, mut questions) = mpsc::channel::<(Children, oneshot::Sender<Children>)>(1024);
    tokio::spawn(async move {
        while let Some((children, answer)) = questions.recv().await {
            // The handler has gone if its component was stopped.
            let _ = answer.send(children);
        }
    });
    asked
}

async fn asking(children: Children, State(worker): State<Worker>) -> Result<Children, BoxError> {
    let (answer, answered) = oneshot::channel();
    worker.send((children, answer)).await?;
    Ok(answered.await?)
}

async fn sleeping(children: Children) -> Children {
    tokio::time::sleep(Duration::from_millis(1)).await;
    children
}

async fn computing(children: Children) -> Children {
    tokio::task::yield_now().await;
    let since = Instant::now();
    while since.elapsed() < Duration::from_micros(100) {
        std::hint::spin_loop();
    }
    children
}

async fn typed(Payload(order): Payload<derived::Order>) -> Payload<derived::Order> {
    Payload(order)
}

async fn typed_xso(Payload(order): Payload<with_xso::Order>) -> Payload<with_xso::Order> {
    Payload(order)
}

async fn json(Json(order): Json<JsonOrder>) -> Json<JsonOrder> {
    Json(order)
}
