//! A component that echoes messages: the children of a message are sent back unparsed.
//!
//! Messages of type `chat` and `normal` are echoed with their type and ID. Other types are ignored:
//! a bot should not speak in a room unasked, and echoing errors would cause a loop.

use std::sync::Arc;

use async_trait::async_trait;
use campanile::error::BoxError;
use campanile::layer::LoopGuardLayer;
use campanile::module::Module;
use campanile::router::Router;
use campanile::stanza::Children;

/// A module that echoes messages sent to any address of its domain.
#[derive(Debug, Clone, Default)]
pub struct Echo {
    guard: LoopGuardLayer,
}

impl Echo {
    /// Creates the module.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// Returns the same bytes.
async fn echo(children: Children) -> Children {
    children
}

#[async_trait]
impl Module for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
        Ok(router.merge(Router::new().message(echo).layer(self.guard.clone())))
    }
}

#[cfg(test)]
mod tests {
    use campanile::component::Component;
    use campanile_testing::host::{Host, User};

    use super::*;

    async fn mounted(host: &Host, domain: &str) {
        let component = Component::builder(domain)
            .connector(host.connector())
            .secret("secret")
            .module(Echo::new());
        tokio::spawn(component.build().unwrap().run());
        host.mounted(domain).await;
    }

    async fn echoed(alice: &User, message: &str) -> String {
        alice.send(message).await.unwrap();
        alice.recv().await.unwrap().to_xml()
    }

    #[tokio::test]
    async fn message_children_are_echoed_unchanged() {
        let host = Host::new("secret");
        mounted(&host, "echo.localhost").await;
        let alice = host.user("alice@localhost/phone").unwrap();
        let children = "<data xmlns='MY-FORMAT-NS'>vgreg%G% B%$t54T%$gqfg4fgAEAE\nF$£T \
            B£%$BYQAgregOK OKo ===</data><body>a &amp; b</body>";
        let echo = echoed(
            &alice,
            &format!("<message type='chat' id='m1' to='bot@echo.localhost'>{children}</message>"),
        )
        .await;
        let wanted = format!(
            "<message from='bot@echo.localhost' to='alice@localhost/phone' id='m1' \
            type='chat'>{children}</message>"
        );
        assert_eq!(echo, wanted);
    }

    #[tokio::test]
    async fn unknown_type_is_echoed_as_normal_and_other_types_are_ignored() {
        let host = Host::new("secret");
        mounted(&host, "echo.localhost").await;
        let alice = host.user("alice@localhost/phone").unwrap();
        for kind in ["groupchat", "headline", "error"] {
            alice
                .send(
                    format!("<message type='{kind}' to='echo.localhost'><body>x</body></message>")
                        .as_str(),
                )
                .await
                .unwrap();
        }
        let echo = echoed(
            &alice,
            "<message type='weird' id='w' to='echo.localhost'><body>x</body></message>",
        )
        .await;
        assert_eq!(
            echo,
            "<message from='echo.localhost' to='alice@localhost/phone' id='w' \
            type='normal'><body>x</body></message>"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn loop_of_two_echoes_stops() {
        let host = Host::new("secret");
        mounted(&host, "b.localhost").await;
        // The client of the first component starts the loop.
        let a = Component::builder("a.localhost")
            .connector(host.connector())
            .secret("secret")
            .module(Echo::new());
        let a = a.build().unwrap();
        let client = a.client();
        let stats = a.metrics();
        tokio::spawn(a.run());
        host.mounted("a.localhost").await;
        client
            .send(
                campanile::stanza::Stanza::chat(
                    campanile::jid::Jid::new("b.localhost").unwrap(),
                    "x",
                )
                .unwrap(),
            )
            .await
            .unwrap();
        // Paused time advances only when all tasks are idle, so both have stopped by then.
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        let taken = stats.counters().taken;
        assert!((5..=20).contains(&taken), "{taken} rounds");
    }

    /// A room reflects each message to all occupants, including its sender, and sends private
    /// messages to the nick they are addressed to; here that is the echo itself.
    #[tokio::test(start_paused = true)]
    async fn loop_in_room_stops() {
        let host = Host::new("secret");
        let echo = Component::builder("echo.localhost")
            .connector(host.connector())
            .secret("secret")
            .module(Echo::new());
        let echo = echo.build().unwrap();
        let stats = echo.metrics();
        tokio::spawn(echo.run());
        host.mounted("echo.localhost").await;
        let nick = host.user("room@rooms.example/echo").unwrap();
        for (kind, most) in [("groupchat", 0), ("chat", 15)] {
            let said = |body: &str| {
                format!("<message type='{kind}' to='echo.localhost'><body>{body}</body></message>")
            };
            nick.send(said("Hello?")).await.unwrap();
            let mut rounds = 0;
            // Paused time advances only when all tasks are idle.
            let silence = std::time::Duration::from_secs(5);
            while let Ok(Some(heard)) = tokio::time::timeout(silence, nick.recv()).await {
                rounds += 1;
                assert!(
                    rounds <= most,
                    "echo loop does not stop: {}",
                    heard.to_xml()
                );
                nick.send(said(&heard.children().first().unwrap().text()))
                    .await
                    .unwrap();
            }
            assert_eq!(
                (rounds == 0, stats.counters().taken > rounds),
                (most == 0, true),
                "{kind}"
            );
        }
    }
}
