//! Sends back what it is sent: the children of a message, unread, whatever they are.
//!
//! Messages of type chat and normal are echoed with their type and id. Groupchat, headlines and
//! errors are not: nobody speaks in a room unasked, and an echo of an error would never end.

use std::sync::Arc;

use async_trait::async_trait;
use campanile::layer::LoopGuardLayer;
use campanile::module::Module;
use campanile::router::Router;
use campanile::stanza::Children;

/// Echoes messages to any address in the domain.
#[derive(Debug, Clone, Default)]
pub struct Echo {
    guard: LoopGuardLayer,
}

impl Echo {
    /// A module that echoes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// The very bytes go back.
async fn echo(children: Children) -> Children {
    children
}

#[async_trait]
impl Module for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn mount(self: Arc<Self>, router: Router) -> Router {
        router.merge(Router::new().message(echo).layer(self.guard.clone()))
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
    async fn whatever_is_in_a_message_comes_back() {
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
    async fn a_type_that_does_not_exist_is_normal_and_some_types_get_nothing() {
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
    async fn two_echoes_fall_silent() {
        let host = Host::new("secret");
        mounted(&host, "b.localhost").await;
        // The first word of a, which is an echo itself and has no other way to begin.
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
        // Paused time moves on only when nobody has anything to do: by then both are silent.
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        let taken = stats.counters().taken;
        assert!((5..=20).contains(&taken), "{taken} rounds");
    }

    /// A room sends every message on to all who are in it, the sender included, and private ones to
    /// the nick that they are for; here that is the echo's own.
    #[tokio::test(start_paused = true)]
    async fn an_echo_in_a_room_falls_silent() {
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
            nick.send(said("Is anybody here?")).await.unwrap();
            let mut rounds = 0;
            // Paused time moves on only when nobody has anything to do.
            let silence = std::time::Duration::from_secs(5);
            while let Ok(Some(heard)) = tokio::time::timeout(silence, nick.recv()).await {
                rounds += 1;
                assert!(rounds <= most, "the echo does not stop: {}", heard.to_xml());
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
