//! A service that handles IQ requests with a custom payload. The elements are Rust types, and
//! invalid ones are rejected before the handler is called.
//!
//! Run it next to an XMPP server that accepts components on 127.0.0.1:5347 and knows the domain
//! `format.localhost`:
//!
//! ```text
//! BOT_SECRET=secret cargo run -p example-typed-iq
//! ```

use campanile::extract::{Payload, Sender};
use campanile::{Component, Condition, Router, StanzaError, shutdown_signal};

/// Namespace of the payload. The route advertises it through service discovery.
const MY_FORMAT: &str = "MY-FORMAT-NS";

/// A text to count. Child elements are rejected; without `on_unknown_child`, they would be ignored.
#[derive(Debug, Payload)]
#[xml(namespace = MY_FORMAT, name = "data", on_unknown_child = Fail)]
struct Data {
    /// Unit to count: `chars` (the default) or `words`.
    #[xml(attribute(default))]
    unit: Option<String>,
    #[xml(text)]
    text: String,
}

/// Result of a count.
#[derive(Debug, Payload)]
#[xml(namespace = MY_FORMAT, name = "count")]
struct Count {
    #[xml(attribute)]
    unit: String,
    #[xml(attribute)]
    number: usize,
}

async fn count(
    Sender(who): Sender,
    Payload(data): Payload<Data>,
) -> Result<Payload<Count>, StanzaError> {
    let unit = data.unit.unwrap_or_else(|| "chars".to_owned());
    let number = match unit.as_str() {
        "chars" => data.text.chars().count(),
        "words" => data.text.split_whitespace().count(),
        _ => {
            return Err(StanzaError::new(Condition::NotAcceptable)
                .with_text("unknown unit; use chars or words"));
        }
    };
    tracing::info!(%who, unit, number, "counted");
    Ok(Payload(Count { unit, number }))
}

fn app() -> Router {
    Router::new().iq_set((MY_FORMAT, "data"), count)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let secret = std::env::var("BOT_SECRET")?;
    let bot = Component::builder("format.localhost")
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

    fn ask(payload: &str) -> String {
        format!("<iq type='set' id='1' to='format.localhost'>{payload}</iq>")
    }

    #[tokio::test(start_paused = true)]
    async fn service_counts_chars_and_words() -> Result<(), Box<dyn std::error::Error>> {
        let bot = testing::mount("format.localhost", |bot| bot.router(app())).await;
        let alice = bot.user("alice@localhost");
        let rows = [
            (
                "<data xmlns='MY-FORMAT-NS'>a &amp; b</data>",
                "<count xmlns='MY-FORMAT-NS' unit='chars' number='5'/>",
            ),
            (
                "<data xmlns='MY-FORMAT-NS' unit='words'>a &amp; b</data>",
                "<count xmlns='MY-FORMAT-NS' unit='words' number='3'/>",
            ),
        ];
        for (data, count) in rows {
            let answer = alice.request(ask(data).as_str()).await?;
            assert_eq!(String::from_utf8_lossy(answer.children().as_bytes()), count);
        }
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn invalid_payload_is_rejected() -> Result<(), Box<dyn std::error::Error>> {
        let bot = testing::mount("format.localhost", |bot| bot.router(app())).await;
        let alice = bot.user("alice@localhost");
        let rows = [
            (
                "<data xmlns='MY-FORMAT-NS' unit='miles'>a</data>",
                Condition::NotAcceptable,
            ),
            (
                "<data xmlns='MY-FORMAT-NS'><b/></data>",
                Condition::BadRequest,
            ),
            (
                "<date xmlns='MY-FORMAT-NS'/>",
                Condition::FeatureNotImplemented,
            ),
            ("<data xmlns='ANOTHER-NS'/>", Condition::ServiceUnavailable),
        ];
        for (payload, condition) in rows {
            let answer = alice.request(ask(payload).as_str()).await?;
            assert_eq!(
                StanzaError::from_stanza(&answer).condition(),
                condition,
                "{payload}"
            );
        }
        Ok(())
    }

    #[test]
    fn disco_advertises_namespace() {
        assert!(
            app()
                .disco()
                .info(None, None)
                .is_some_and(|info| info.features.contains(MY_FORMAT))
        );
    }
}
