//! Third-party clients on the embedded server.

use campanile_tests::demo::{Demo, PASSWORD};
use campanile_tests::{SlixmppClient, TokioXmppClient};

const ECHO: &str = "echo.localhost";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slixmpp_uses_embedded_server() {
    let mut demo = Demo::start().await;
    let mut alice =
        SlixmppClient::login_at(&demo.address(), "alice@localhost/desk", PASSWORD).await;
    assert_eq!(alice.jid(), "alice@localhost/desk");

    let items = alice.disco_items("localhost", None).await.unwrap();
    assert!(items.xml.contains(ECHO), "{}", items.xml);
    let info = alice.disco_info(ECHO, None).await.unwrap();
    assert!(
        info.xml.contains("category=\"client\"") && info.xml.contains("urn:xmpp:ping"),
        "{}",
        info.xml
    );
    let id = alice.message(ECHO, "hello & <welcome>").await;
    let echo = alice.message_from(ECHO).await;
    assert_eq!(
        (echo.attr("id"), echo.body().as_deref()),
        (id.as_str(), Some("hello & <welcome>"))
    );

    // Roster and presence of the bot.
    let roster = "<query xmlns='jabber:iq:roster'/>";
    assert_eq!(
        alice
            .iq("get", "alice@localhost", roster)
            .await
            .unwrap()
            .error(),
        None
    );
    alice.presence(None, None, "").await;
    alice
        .presence(Some("bot@echo.localhost"), Some("subscribe"), "")
        .await;
    for kind in ["subscribed", ""] {
        alice
            .next(&format!("presence {kind:?} of the bot"), |it| {
                it.is("presence")
                    && it.attr("type") == kind
                    && it.attr("from").starts_with("bot@echo.localhost")
            })
            .await;
    }
    let roster = alice.iq("get", "alice@localhost", roster).await.unwrap();
    let item = roster
        .child("query", "jabber:iq:roster")
        .unwrap()
        .children()
        .next()
        .unwrap()
        .clone();
    assert_eq!(
        (item.attr("jid"), item.attr("subscription")),
        (Some("bot@echo.localhost"), Some("to"))
    );

    // The demo prints the traffic.
    demo.output()
        .line(campanile_tests::wait::TIMEOUT, |line| {
            line.contains("hello & <welcome>")
        })
        .await
        .unwrap();
    alice.logout().await;
    assert!(demo.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokio_xmpp_uses_embedded_server() {
    let mut demo = Demo::start().await;
    let mut bob = TokioXmppClient::login_at(&demo.address(), "bob@localhost", PASSWORD).await;
    bob.message(ECHO, "hello").await;
    assert_eq!(
        bob.message_from(ECHO)
            .await
            .bodies
            .values()
            .next()
            .map(String::as_str),
        Some("hello")
    );
    let info = bob
        .get(
            ECHO,
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
        )
        .await
        .unwrap()
        .unwrap();
    assert!(
        info.children()
            .any(|child| child.attr("var") == Some("http://jabber.org/protocol/commands"))
    );
    assert!(
        bob.get("localhost", "<ping xmlns='urn:xmpp:ping'/>")
            .await
            .unwrap()
            .is_none()
    );

    // Two users with different client libraries.
    let mut alice = SlixmppClient::login_at(&demo.address(), "alice@localhost", PASSWORD).await;
    alice.message(bob.jid(), "Are you there, too?").await;
    assert_eq!(
        bob.message_from(alice.jid())
            .await
            .bodies
            .values()
            .next()
            .map(String::as_str),
        Some("Are you there, too?")
    );
    bob.logout().await;
    assert!(demo.stop().await.success());
}
