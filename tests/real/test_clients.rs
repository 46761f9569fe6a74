//! The two client fixtures, tested against each other.

use campanile_tests::{Server, Setup, SlixmppClient, TokioXmppClient, on_both};

const DATA: &str =
    "<data xmlns='MY-FORMAT-NS'>vgreg%G% B%$t54T%$gqfg4fgAEAE\nF$£T B£%$BYQAgregOK OKo ===</data>";

async fn clients_exchange_messages(server: Server) {
    let mut alice = SlixmppClient::login(&server, "alice").await;
    let mut bob = TokioXmppClient::login(&server, "bob").await;

    let id = alice
        .message_with(bob.jid(), "chat", Some("hello & <welcome>"), DATA)
        .await;
    let received = bob.message_from(alice.jid()).await;
    assert_eq!(received.id.unwrap().0, id);
    assert_eq!(
        received.bodies.values().next().unwrap(),
        "hello & <welcome>"
    );
    let data = received
        .payloads
        .iter()
        .find(|payload| payload.is("data", "MY-FORMAT-NS"))
        .unwrap();
    assert_eq!(
        data.text(),
        "vgreg%G% B%$t54T%$gqfg4fgAEAE\nF$£T B£%$BYQAgregOK OKo ==="
    );

    let id = bob.message(alice.jid(), "hello yourself").await;
    let received = alice.message_from("bob@localhost").await;
    assert_eq!(
        (received.attr("id"), received.body().as_deref()),
        (id.as_str(), Some("hello yourself"))
    );
    alice.logout().await;
    bob.logout().await;
}
on_both!(clients_exchange_messages, Setup::new());

async fn clients_query_server(server: Server) {
    let mut alice = SlixmppClient::login(&server, "alice").await;
    let info = alice.disco_info("localhost", None).await.unwrap();
    let query = info
        .child("query", "http://jabber.org/protocol/disco#info")
        .unwrap();
    assert!(
        query
            .children()
            .any(|child| child.attr("category") == Some("server")),
        "{}",
        info.xml
    );
    let items = alice.disco_items("localhost", None).await.unwrap();
    assert!(items.xml.contains("rooms.localhost"), "{}", items.xml);
    let answer = alice
        .iq("get", "localhost", "<nothing xmlns='urn:example:nothing'/>")
        .await
        .unwrap();
    assert_eq!(
        answer.error().as_deref(),
        Some("cancel/service-unavailable")
    );

    let mut bob = TokioXmppClient::login(&server, "bob").await;
    assert!(
        bob.get("localhost", "<ping xmlns='urn:xmpp:ping'/>")
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        bob.set("localhost", "<nothing xmlns='urn:example:nothing'/>")
            .await
            .is_err()
    );
}
on_both!(clients_query_server, Setup::new());

async fn clients_send_raw_stanzas(server: Server) {
    let mut alice = SlixmppClient::login(&server, "alice").await;
    let mut carol = SlixmppClient::login_as(&server, "carol@localhost/home", "carol-pw").await;
    assert_eq!(carol.jid(), "carol@localhost/home");
    carol.presence(None, None, "<show>away</show>").await;
    carol
        .next("own presence", |it| {
            it.is("presence") && it.attr("from") == "carol@localhost/home"
        })
        .await;
    carol.presence(Some(alice.jid()), None, "").await;
    alice
        .next("presence of carol", |it| {
            it.is("presence") && it.attr("from") == "carol@localhost/home"
        })
        .await;

    let many: String = (0..500)
        .map(|number| {
            format!(
                "<message to='carol@localhost/home' id='w{number}'><body>{number}</body></message>"
            )
        })
        .collect();
    alice.raw(&many).await;
    for number in 0..500 {
        let received = carol.message_from(alice.jid()).await;
        assert_eq!(received.body(), Some(number.to_string()));
    }
}
on_both!(clients_send_raw_stanzas, Setup::new());
