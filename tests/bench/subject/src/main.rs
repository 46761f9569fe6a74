//! `bench-subject PORT`: a program on the framework with one handler of each measured kind, each on
//! its own localpart.

use std::time::{Duration, Instant};

use anyhow::Context;
use bench_work::{Pool, Upstream, Worker};
use campanile::client::Client;
use campanile::component::Component;
use campanile::error::BoxError;
use campanile::extract::{Body, Json, Message, Payload, StanzaRef, State};
use campanile::limits::Limits;
use campanile::router::Router;
use campanile::stanza::{Children, Stanza};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
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
    let mut limits = Limits::default();
    if let Ok(seconds) = std::env::var("BENCH_OVERRUN_SECONDS") {
        limits.slow_handler = Duration::from_secs_f64(seconds.parse()?);
    }
    let router = router()?;
    let jids = std::env::var("BENCH_JIDS").unwrap_or_else(|_| "echo.localhost".to_owned());
    let mut running = JoinSet::new();
    for jid in jids.split(',') {
        let component = Component::builder(jid)
            .limits(limits.clone())
            .server(format!("127.0.0.1:{port}"))
            .secret("s3cr3t")
            .router(router.clone())
            .build()?;
        running.spawn(component.run());
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

fn router() -> anyhow::Result<Router> {
    let pool = Pool::new().map_err(anyhow::Error::from_boxed)?;
    let http = Router::new().message(fetching);
    Ok(Router::new()
        .at("bot", Router::new().message(unread))
        .at("text", Router::new().message(text))
        .at("message", Router::new().message(whole))
        .at("sent", Router::new().message(sent))
        .at("confirmed", Router::new().message(confirmed))
        .at("yield", Router::new().message(yielding))
        .at(
            "task",
            Router::new().message(asking).with_state(Worker::start()),
        )
        .at("sleep", Router::new().message(sleeping))
        .at("http", http.with_state(Upstream::from_env()))
        .at("pool", Router::new().message(pooled).with_state(pool))
        .at("compute", Router::new().message(computing))
        .at("typed", Router::new().iq_set((BENCH, "order"), typed))
        .at(
            "typed-xso",
            Router::new().iq_set((BENCH, "order"), typed_xso),
        )
        .at("json", Router::new().iq_set((JSON, "json"), json)))
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

async fn asking(
    children: Children,
    State(worker): State<Worker<Children>>,
) -> Result<Children, BoxError> {
    worker.ask(children).await
}

async fn sleeping(children: Children) -> Children {
    bench_work::sleep().await;
    children
}

async fn fetching(
    children: Children,
    State(upstream): State<Upstream>,
) -> Result<Children, BoxError> {
    upstream.ask().await?;
    Ok(children)
}

async fn pooled(children: Children, State(pool): State<Pool>) -> Result<Children, BoxError> {
    pool.ask().await?;
    Ok(children)
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
