//! The program in the README: a bot that replies to every message.
//!
//! Run it next to an XMPP server that accepts components on 127.0.0.1:5347 and knows the domain
//! `bot.localhost`:
//!
//! ```text
//! BOT_SECRET=secret cargo run -p example-greeter
//! ```

use campanile::extract::{Body, Sender};
use campanile::{Component, Router, shutdown_signal};

async fn greet(Sender(from): Sender, Body(body): Body) -> String {
    format!("{from}, you said: {body}")
}

fn app() -> Router {
    Router::new().message(greet)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt::init();
    let bot = Component::builder("bot.localhost")
        .server("127.0.0.1:5347")
        .secret(std::env::var("BOT_SECRET")?)
        .router(app())
        .build()?;
    Ok(bot.run_until(shutdown_signal()).await?)
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
            .ok_or("the reply has no body")?;
        assert_eq!(said.text(), "alice@localhost/phone, you said: hello");
        Ok(())
    }

    #[test]
    fn readme_shows_this_program() {
        let readme = include_str!("../../../README.md");
        let shown = readme
            .split("```rust\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next());
        let (_, program) = include_str!("main.rs")
            .split_once("\n\n")
            .expect("the program follows its documentation");
        let (program, _) = program
            .split_once("\n#[cfg(test)]")
            .expect("the tests follow the program");
        assert_eq!(shown, Some(program));
    }
}
