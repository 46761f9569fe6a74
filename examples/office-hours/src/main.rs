//! Custom middleware in two forms: a hand-written layer that rejects stanzas outside of office
//! hours, and an async function that passes an extension to the handler.
//!
//! Run it next to an XMPP server that accepts components on 127.0.0.1:5347 and knows the domain
//! `office.localhost`:
//!
//! ```text
//! BOT_SECRET=secret cargo run -p example-office-hours
//! ```

mod hours;

use std::time::{SystemTime, UNIX_EPOCH};

use campanile::extract::Extension;
use campanile::layer::{Next, from_fn};
use campanile::reply::Reply;
use campanile::{BoxError, Component, Inbound, Router, shutdown_signal};

use self::hours::OfficeHours;

/// A known sender.
#[derive(Debug, Clone)]
struct Customer {
    name: String,
}

/// Middleware that looks up the sender and stores it as an extension.
async fn customer(mut inbound: Inbound, next: Next) -> Result<Reply, BoxError> {
    let name = inbound
        .sender()
        .node()
        .map_or("guest", |node| node.as_str())
        .to_owned();
    inbound.extensions_mut().insert(Customer { name });
    next.run(inbound).await
}

async fn greet(Extension(customer): Extension<Customer>) -> String {
    format!("What can we do for you, {}?", customer.name)
}

async fn emergency() -> &'static str {
    "Help is coming."
}

fn app(hour: fn() -> u8) -> Router {
    // Layers wrap the routes that were added before them, so `!emergency` works at any hour.
    Router::new()
        .message(greet)
        .layer(from_fn(customer))
        .layer(OfficeHours::new(9..17, hour))
        .chat_command(("!emergency", "At any hour"), emergency)
}

/// Returns the current hour in UTC.
fn now() -> u8 {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    u8::try_from(seconds / 3600 % 24).unwrap_or_default()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let secret = std::env::var("BOT_SECRET")?;
    let bot = Component::builder("office.localhost")
        .server("127.0.0.1:5347")
        .secret(secret)
        .router(app(now))
        .build()?;
    Ok(bot.run_until(shutdown_signal()).await?)
}

#[cfg(test)]
mod tests {
    use campanile_testing as testing;

    use super::*;

    const OFFICE: &str = "office.localhost";

    #[tokio::test(start_paused = true)]
    async fn open_office_greets_customer_by_name() -> Result<(), Box<dyn std::error::Error>> {
        let bot = testing::mount(OFFICE, |bot| bot.router(app(|| 9))).await;
        let alice = bot.user("alice@localhost");
        alice.say(OFFICE, "hello").await?;
        alice
            .expect("<message type='chat'><body>What can we do for you, alice?</body></message>")
            .await;
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn closed_office_handles_emergency_only() -> Result<(), Box<dyn std::error::Error>> {
        let bot = testing::mount(OFFICE, |bot| bot.router(app(|| 17))).await;
        let alice = bot.user("alice@localhost");
        alice.say(OFFICE, "hello").await?;
        alice
            .expect(
                "<message type='error'><error type='wait'>\
                 <recipient-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
                 <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>the office is \
                 open from 9 to 17</text>\
                 </error></message>",
            )
            .await;
        alice.say(OFFICE, "!emergency").await?;
        alice
            .expect("<message type='chat'><body>Help is coming.</body></message>")
            .await;
        Ok(())
    }
}
