//! Input of strangers that servers let through: it got no answer, or answers without end.

use campanile_tests::setup::SECRET;
use campanile_tests::{
    Daemon, RawClient, Server, Setup, WebhookEndpoint, http, on_both, ports, wait,
};
use tokio::time::Duration;

use crate::support::mounted;

const PATIENCE: Duration = Duration::from_secs(30);

/// Addresses with characters newer than Unicode 3.2 (RFC 7622), which stringprep refuses.
async fn emoji_in_a_resource_is_answered(server: Server) {
    let configuration = format!(
        "[[component]]\njid = 'echo.localhost'\naddress = '{}'\nsecret = '{SECRET}'\n\
        [component.echo]\n",
        server.component_address()
    );
    let mut daemon = Daemon::start(&configuration);
    mounted(&mut daemon, "echo.localhost").await;
    let mut alice = RawClient::login(&server, "alice", "phone").await;
    for (id, payload) in [
        ("1", "<ping xmlns='urn:xmpp:ping'/>"),
        (
            "2",
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
        ),
        ("3", "<x xmlns='urn:example:unknown'/>"),
    ] {
        let iq = format!("<iq type='get' id='{id}' to='echo.localhost/🐎'>{payload}</iq>");
        alice.writer.write(&iq).await.unwrap();
        let answer = loop {
            let next = alice.reader.next_within(PATIENCE).await;
            let stanza = next.expect("an answer in time").expect("an open stream");
            if stanza.attribute("id") == id {
                break stanza;
            }
        };
        // Prosody's stringprep refuses the address itself.
        assert!(
            ["result", "error"].contains(&answer.attribute("type")),
            "{answer:?}"
        );
    }
}
on_both!(
    emoji_in_a_resource_is_answered,
    Setup::new().component("echo.localhost")
);

/// A bounce comes back with its body on ejabberd; a bot that answers it gets the next bounce.
async fn bounce_is_posted_once_and_never_answered(server: Server) {
    let api = ports::free();
    let webhook = WebhookEndpoint::start(Some("{\"body\":\"an answer\"}")).await;
    let configuration = format!(
        "[[component]]\njid = 'bridge.localhost'\naddress = '{}'\nsecret = '{SECRET}'\n\
        [component.json_bridge]\nwebhook = {{ url = 'http://{}/' }}\n\
        api = {{ listen = '127.0.0.1:{api}', token = 'a-token-of-the-api' }}\n",
        server.component_address(),
        webhook.address,
    );
    let mut daemon = Daemon::start(&configuration);
    mounted(&mut daemon, "bridge.localhost").await;
    let message = "{\"to\":\"absent@localhost\",\"type\":\"chat\",\"body\":\"x\"}";
    let token = "Authorization: Bearer a-token-of-the-api\r\n";
    let sent = http::post(api, "/v1/messages", token, message)
        .await
        .unwrap();
    assert!(sent.starts_with("HTTP/1.1 20"), "{sent}");
    let errors = || {
        let posted = webhook.posted();
        posted
            .iter()
            .filter(|it| it.json()["type"] == "error")
            .count()
    };
    wait::until("the bounce", PATIENCE, async || {
        (errors() == 1).then_some(())
    })
    .await
    .unwrap();

    // What is answered afterwards shows that the bounce caused nothing more.
    let mut alice = RawClient::login(&server, "alice", "phone").await;
    let hello = "<message type='chat' to='bridge.localhost' id='hello'><body>hi</body></message>";
    alice.writer.write(hello).await.unwrap();
    loop {
        let next = alice.reader.next_within(PATIENCE).await;
        let stanza = next.expect("an answer in time").expect("an open stream");
        if stanza.is_from("bridge.localhost") && stanza.name == "message" {
            break;
        }
    }
    assert_eq!(errors(), 1);
}
on_both!(
    bounce_is_posted_once_and_never_answered,
    Setup::new().component("bridge.localhost")
);
