//! A bot with chat commands. Their arguments are Rust types, and `!help` lists them.
//!
//! Run it next to an XMPP server that accepts components on 127.0.0.1:5347 and knows the domain
//! `weather.localhost`:
//!
//! ```text
//! BOT_SECRET=secret cargo run -p example-weather
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use campanile::extract::{Args, State};
use campanile::{Component, Condition, Router, StanzaError, shutdown_signal};
use serde::Deserialize;

/// Temperature in degrees Celsius by lower-case city name.
type Stations = Arc<HashMap<&'static str, f32>>;

/// Choice of a unit. The bot lists the choices if a user writes another word.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    #[default]
    Celsius,
    Fahrenheit,
}

impl Unit {
    fn show(self, celsius: f32) -> String {
        match self {
            Self::Celsius => format!("{celsius:.0} °C"),
            Self::Fahrenheit => format!("{:.0} °F", celsius * 9.0 / 5.0 + 32.0),
        }
    }
}

async fn weather(
    State(stations): State<Stations>,
    Args((city, unit)): Args<(String, Option<Unit>)>,
) -> Result<String, StanzaError> {
    let Some(celsius) = stations.get(&*city.to_lowercase()) else {
        return Err(StanzaError::new(Condition::ItemNotFound).with_text("no station in that city"));
    };
    Ok(format!(
        "{city}: {}",
        unit.unwrap_or_default().show(*celsius)
    ))
}

async fn stations(State(stations): State<Stations>) -> String {
    let mut cities: Vec<_> = stations.keys().copied().collect();
    cities.sort_unstable();
    cities.join(", ")
}

async fn fallback() -> &'static str {
    "Unknown command. Write !help for a list."
}

fn app() -> Router {
    let measured = HashMap::from([("oslo", -4.0), ("new york", 11.0)]);
    Router::new()
        .chat_command(
            (
                "!weather {city} {unit?}",
                "The weather in a city, in Celsius or Fahrenheit",
            ),
            weather,
        )
        .chat_command(("!stations", "Cities that have a station"), stations)
        .message(fallback)
        .with_state(Arc::new(measured))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let secret = std::env::var("BOT_SECRET")?;
    let bot = Component::builder("weather.localhost")
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

    #[tokio::test(start_paused = true)]
    async fn bot_handles_chat_commands() -> Result<(), Box<dyn std::error::Error>> {
        let bot = testing::mount("weather.localhost", |bot| bot.router(app())).await;
        let alice = bot.user("alice@localhost");
        let rows = [
            ("!weather Oslo", "Oslo: -4 °C"),
            ("!Weather \"New York\" fahrenheit", "New York: 52 °F"),
            ("!stations", "new york, oslo"),
            ("hello", "Unknown command. Write !help for a list."),
            ("!weather", "city is missing\nUsage: !weather <city> [unit]"),
            (
                "!weather Oslo kelvin",
                "unit: expected one of celsius, fahrenheit\nUsage: !weather <city> [unit]",
            ),
            (
                "!help",
                "Commands:\n!stations – Cities that have a station\n\
                 !weather <city> [unit] – The weather in a city, in Celsius or Fahrenheit",
            ),
        ];
        for (said, wanted) in rows {
            alice.say("weather.localhost", said).await?;
            let answer = alice.recv().await.ok_or("the host is closed")?;
            let body = answer
                .children()
                .find("jabber:client", "body")
                .ok_or("the reply has no body")?;
            assert_eq!(body.text(), wanted, "{said}");
        }
        alice.say("weather.localhost", "!weather Atlantis").await?;
        alice
            .expect(
                "<message type='error'><error type='cancel'><item-not-found \
            xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
            <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no station in \
            that city</text></error></message>",
            )
            .await;
        Ok(())
    }
}
