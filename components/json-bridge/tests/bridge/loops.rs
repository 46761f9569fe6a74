//! Messages that get no automatic reply, so that a bot cannot talk to itself.

use campanile_json_bridge::{Api, Grant, Secret, Settings};
use serde_json::json;

use crate::http::ask;
use crate::setup::{Hook, TOKEN, bot, mounted, until, webhook};

/// Messages whose reply would come back as the next message.
const UNANSWERED: [&str; 5] = [
    "<message type='error' id='1' to='bot@bridge.localhost'><body>x</body><error type='cancel'>\
    <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
    "<message type='groupchat' id='2' to='bot@bridge.localhost'><body>x</body>\
    <delay xmlns='urn:xmpp:delay' stamp='2026-01-31T12:00:00Z'/></message>",
    "<message type='groupchat' id='msg_0123456789abcdefghijklmn-0' to='bot@bridge.localhost'>\
    <body>x</body></message>",
    "<message type='chat' id='4' to='bot@bridge.localhost'><body>x</body>\
    <received xmlns='urn:xmpp:carbons:2'/></message>",
    "<message type='chat' id='5' to='bot@bridge.localhost'><body>x</body>\
    <result xmlns='urn:xmpp:mam:2' id='1'/></message>",
];

#[tokio::test]
async fn errors_room_history_and_copies_are_posted_but_not_answered() {
    let (hook, address) = Hook::start(&[(200, r#"{"body":"again"}"#); 6]).await;
    let (mounted, bridge) = mounted(Settings {
        bots: vec![bot(Some(webhook(address)))],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    for message in UNANSWERED {
        alice.send(message).await.unwrap();
    }
    // From offline storage.
    let delayed = UNANSWERED[1].replace("groupchat", "chat");
    alice.send(delayed.as_str()).await.unwrap();
    let reply = alice.recv().await.unwrap().to_xml();
    assert!(
        reply.contains("type='chat'><body>again</body>") && reply.contains("to='alice@"),
        "{reply}"
    );
    let error = &hook.got(6).await[0].json();
    assert_eq!(
        (&error["type"], &error["error"]["condition"]),
        (&json!("error"), &json!("item-not-found"))
    );
    let counts = bridge.snapshot();
    assert_eq!(counts.delivered, 6);
}

#[tokio::test]
async fn message_of_a_bot_to_itself_is_not_answered() {
    let (hook, address) = Hook::start(&[(200, r#"{"body":"again"}"#); 9]).await;
    let api = Api {
        listen: ([127, 0, 0, 1], 0).into(),
        token: Some(Secret::new(TOKEN)),
        to: Grant::Anybody,
    };
    let (_mounted, bridge) = mounted(Settings {
        bots: vec![bot(Some(webhook(address)))],
        api: Some(api),
        ..Settings::default()
    })
    .await;
    let head =
        format!("POST /v1/messages\nAuthorization: Bearer {TOKEN}\nContent-Type: application/json");
    for _ in 0..2 {
        let own = r#"{"from":"bot@bridge.localhost","to":"bot@bridge.localhost","body":"x"}"#;
        assert_eq!(
            ask(bridge.listening().unwrap(), &head, own).await.status,
            202
        );
    }
    until(|| bridge.snapshot().dropped_answers == 2).await;
    assert_eq!(hook.count(), 2);
}
