//! The program of the front page: a bot that answers whoever writes to it.
//!
//! `BOT_SECRET=secret cargo run -p example-greeter` mounts it on `bot.localhost`, at the server on
//! 127.0.0.1:5347.

use campanile::component::Component;
use campanile::extract::{Body, Sender};
use campanile::router::Router;

async fn greet(Sender(who): Sender, Body(body): Body) -> String {
    format!("{who}, you said: {body}")
}

fn app() -> Router {
    Router::new().message(greet)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let secret = std::env::var("BOT_SECRET")?;
    let bot = Component::builder("bot.localhost")
        .server("127.0.0.1:5347")
        .secret(secret)
        .router(app())
        .build()?;
    bot.run_until(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use campanile_testing::host::Host;

    use super::*;

    #[tokio::test]
    async fn greeter_replies_to_chat_message() -> Result<(), Box<dyn std::error::Error>> {
        let host = Host::new("secret");
        let bot = Component::builder("bot.localhost")
            .connector(host.connector())
            .secret("secret")
            .router(app())
            .build()?;
        tokio::spawn(bot.run());
        host.mounted("bot.localhost").await;

        let alice = host.user("alice@localhost/phone")?;
        alice.say("bot.localhost", "hello").await?;
        let answer = alice.recv().await.ok_or("the host is closed")?;
        let said = answer
            .children()
            .find("jabber:client", "body")
            .ok_or("an answer has a body")?;
        assert_eq!(said.text(), "alice@localhost/phone, you said: hello");
        Ok(())
    }

    /// The front page shows this very program.
    #[test]
    fn readme_shows_this_program() {
        let page = include_str!("../../../README.md");
        let program = include_str!("main.rs");
        for part in [
            "async fn greet(Sender(who): Sender, Body(body): Body) -> String {\n    format!(\"{who}, you said: {body}\")\n}",
            "fn app() -> Router {\n    Router::new().message(greet)\n}",
            "let bot = \
            Component::builder(\"bot.localhost\").server(\"127.0.0.1:5347\").secret(secret).router(app()).build()?;",
            "bot.run_until(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await?;",
        ] {
            assert!(page.contains(part) && program.contains(part), "{part}");
        }
    }
}
