//! A shop that accepts orders as JSON: by IQ in an XEP-0335 container, and by message (XEP-0432)
//! with a datatype that is advertised through service discovery. The handlers never see XML types.
//!
//! Run it next to an XMPP server that accepts components on 127.0.0.1:5347 and knows the domain
//! `shop.localhost`:
//!
//! ```text
//! BOT_SECRET=secret cargo run -p example-json-orders
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use campanile::extract::{Datatype, Json, JsonMessage, Sender, State};
use campanile::router::PayloadPattern;
use campanile::{Component, Condition, Router, StanzaError, shutdown_signal};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    sku: String,
    count: u32,
}

#[derive(Debug, Serialize)]
struct Receipt {
    sku: String,
    left: u32,
}

impl Datatype for Order {
    const DATATYPE: &'static str = "urn:example:shop:order";
}

impl Datatype for Receipt {
    const DATATYPE: &'static str = "urn:example:shop:receipt";
}

/// Stock by article.
#[derive(Debug, Clone)]
struct Shelf(Arc<Mutex<HashMap<String, u32>>>);

impl Shelf {
    fn new(articles: &[(&str, u32)]) -> Self {
        let articles = articles
            .iter()
            .map(|(sku, count)| ((*sku).to_owned(), *count));
        Self(Arc::new(Mutex::new(articles.collect())))
    }

    fn take(&self, order: Order) -> Result<Receipt, StanzaError> {
        let mut articles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = articles.get_mut(&order.sku) else {
            return Err(StanzaError::new(Condition::ItemNotFound).with_text("no such article"));
        };
        *left = left.checked_sub(order.count).ok_or_else(|| {
            StanzaError::new(Condition::ResourceConstraint).with_text(format!("only {left} left"))
        })?;
        Ok(Receipt {
            sku: order.sku,
            left: *left,
        })
    }
}

async fn by_iq(
    State(shelf): State<Shelf>,
    Json(order): Json<Order>,
) -> Result<Json<Receipt>, StanzaError> {
    shelf.take(order).map(Json)
}

async fn by_message(
    Sender(who): Sender,
    State(shelf): State<Shelf>,
    JsonMessage(order): JsonMessage<Order>,
) -> Result<JsonMessage<Receipt>, StanzaError> {
    tracing::info!(%who, ?order, "order received");
    shelf.take(order).map(JsonMessage)
}

fn app() -> Router {
    Router::new()
        .iq_set(("urn:xmpp:json:0", "json"), by_iq)
        .message_with(PayloadPattern::datatype(Order::DATATYPE), by_message)
        .with_state(Shelf::new(&[("tea", 10), ("coffee", 0)]))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let secret = std::env::var("BOT_SECRET")?;
    let bot = Component::builder("shop.localhost")
        .server("127.0.0.1:5347")
        .secret(secret)
        .router(app())
        .build()?;
    Ok(bot.run_until(shutdown_signal()).await?)
}

#[cfg(test)]
mod tests {
    use campanile_testing as testing;

    use super::*;

    fn iq(json: &str) -> String {
        format!(
            "<iq type='set' id='1' to='shop.localhost'><json \
            xmlns='urn:xmpp:json:0'>{json}</json></iq>"
        )
    }

    #[tokio::test(start_paused = true)]
    async fn shop_accepts_order_by_iq() -> Result<(), Box<dyn std::error::Error>> {
        let bot = testing::mount("shop.localhost", |bot| bot.router(app())).await;
        let alice = bot.user("alice@localhost");
        let receipt = alice
            .request(iq("{\"sku\":\"tea\",\"count\":3}").as_str())
            .await?;
        let wanted = "<json xmlns='urn:xmpp:json:0'>{\"sku\":\"tea\",\"left\":7}</json>";
        assert_eq!(
            String::from_utf8_lossy(receipt.children().as_bytes()),
            wanted
        );
        let rows = [
            (
                "{\"sku\":\"cake\",\"count\":1}",
                Condition::ItemNotFound,
                "no such article",
            ),
            (
                "{\"sku\":\"tea\",\"count\":8}",
                Condition::ResourceConstraint,
                "only 7 left",
            ),
            (
                "{\"sku\":\"tea\"}",
                Condition::BadRequest,
                "invalid JSON: missing field `count` at line 1 column 13",
            ),
        ];
        for (json, condition, text) in rows {
            let error = StanzaError::from_stanza(&alice.request(iq(json).as_str()).await?);
            assert_eq!(
                (error.condition(), error.text()),
                (condition, Some(text)),
                "{json}"
            );
        }
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn shop_accepts_order_by_message() -> Result<(), Box<dyn std::error::Error>> {
        let bot = testing::mount("shop.localhost", |bot| bot.router(app())).await;
        let alice = bot.user("alice@localhost");
        let order = "<message type='chat' id='m1' to='shop.localhost'><body>ten teas, please</body>\
            <payload xmlns='urn:xmpp:json-msg:0' datatype='urn:example:shop:order'>\
            <json \
            xmlns='urn:xmpp:json:0'>{\"sku\":\"tea\",\"count\":10}</json></payload></message>";
        alice.send(order).await?;
        let receipt = alice.recv().await.ok_or("the host is closed")?;
        let wanted = "<message from='shop.localhost' to='alice@localhost/home' id='m1' type='chat'>\
            <payload xmlns='urn:xmpp:json-msg:0' datatype='urn:example:shop:receipt'>\
            <json xmlns='urn:xmpp:json:0'>{\"sku\":\"tea\",\"left\":0}</json></payload></message>";
        assert_eq!(receipt.to_xml(), wanted);
        Ok(())
    }

    #[test]
    fn disco_advertises_datatype() {
        let disco = app().disco();
        let feature = "urn:xmpp:json-msg:0#urn:example:shop:order";
        assert!(
            disco
                .info(None, None)
                .is_some_and(|info| info.features.contains(feature))
        );
    }
}
