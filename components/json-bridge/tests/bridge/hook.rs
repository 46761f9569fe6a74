//! Delivery from XMPP to web handlers.

use std::time::{Duration, Instant};

use campanile::error::{Condition, StanzaError};
use campanile_json_bridge::{Secret, Settings};
use serde_json::json;

use crate::setup::{Folder, Got, Hook, Response, SECRET, bot, mounted, until, webhook};

fn message(id: &str, children: &str) -> String {
    format!("<message type='chat' id='{id}' to='bot@bridge.localhost'>{children}</message>")
}

#[tokio::test]
async fn message_is_posted_signed_and_response_becomes_reply() {
    let (hook, address) = Hook::start(&[(200, r#"{"body":"hi & bye"}"#)]).await;
    let (mounted, bridge) = mounted(Settings {
        bots: vec![bot(Some(webhook(address)))],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    alice
        .send(message("1", "<body>hello</body>").as_str())
        .await
        .unwrap();
    let reply = alice.recv().await.unwrap();
    assert!(
        reply
            .to_xml()
            .starts_with("<message from='bot@bridge.localhost' to='alice@localhost/phone' id='")
    );
    assert!(
        reply
            .to_xml()
            .ends_with(" type='chat'><body>hi &amp; bye</body></message>"),
        "{}",
        reply.to_xml()
    );
    let got = hook.got(1).await.remove(0);
    let wanted = json!({
        "kind": "message", "type": "chat", "from": "alice@localhost/phone",
        "to": "bot@bridge.localhost", "id": "1", "body": "hello"
    });
    assert_eq!(got.json(), wanted);
    assert_eq!(got.header("content-type"), "application/json");
    let id = got.header("webhook-id");
    let timestamp = got.header("webhook-timestamp");
    let signature =
        Secret::new(SECRET).signature(id, timestamp.parse().unwrap(), got.body.as_bytes());
    assert_eq!(got.header("webhook-signature"), signature);
    until(|| bridge.snapshot().delivered == 1 && bridge.waiting() == 0).await;
}

#[tokio::test]
async fn empty_or_invalid_webhook_response_sends_no_reply() {
    let answers = [
        (200, ""),
        (200, r#"{"ok":true}"#),
        (200, "{"),
        (200, r#"{"to":"bob@localhost","body":"x"}"#),
        (202, ""),
        (200, r#"{"body":"end"}"#),
    ];
    let (hook, address) = Hook::start(&answers).await;
    let mut bot = bot(Some(webhook(address)));
    bot.to = campanile_json_bridge::Grant::Only(Vec::new());
    let (mounted, bridge) = mounted(Settings {
        bots: vec![bot],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    for id in 1..=6 {
        alice
            .send(message(&id.to_string(), "<body>hello</body>").as_str())
            .await
            .unwrap();
    }
    assert!(
        alice
            .recv()
            .await
            .unwrap()
            .to_xml()
            .contains("<body>end</body>")
    );
    assert_eq!((hook.count(), bridge.snapshot().bad_answers), (6, 3));
}

#[tokio::test]
async fn permanent_status_returns_stanza_error_to_sender() {
    let (_hook, address) = Hook::start(&[(404, ""), (403, "")]).await;
    let (mounted, _) = mounted(Settings {
        bots: vec![bot(Some(webhook(address)))],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    for condition in [Condition::ItemNotFound, Condition::Forbidden] {
        alice
            .send(message("m", "<body>hello</body>").as_str())
            .await
            .unwrap();
        let error = alice.recv().await.unwrap();
        assert_eq!(
            (error.id(), StanzaError::from_stanza(&error).condition()),
            (Some("m"), condition)
        );
    }
}

#[tokio::test]
async fn failed_delivery_retries_in_order_without_blocking_other_senders() {
    let (hook, address) = Hook::start(&[(500, ""), (204, ""), (302, "")]).await;
    let (mounted, _) = mounted(Settings {
        bots: vec![bot(Some(webhook(address)))],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    let bob = mounted.user("bob@localhost/phone");
    alice
        .send(message("a1", "<body>x</body>").as_str())
        .await
        .unwrap();
    hook.got(1).await;
    alice
        .send(message("a2", "<body>x</body>").as_str())
        .await
        .unwrap();
    bob.send(message("b1", "<body>x</body>").as_str())
        .await
        .unwrap();
    // a1 fails, b1 is delivered, a1 fails again by a redirect, then a1 and a2 are delivered.
    let got = hook.got(5).await;
    let ids: Vec<_> = got
        .iter()
        .map(|got| got.json()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, ["a1", "b1", "a1", "a1", "a2"]);
    assert_eq!(got[0].header("webhook-id"), got[2].header("webhook-id"));
    assert_ne!(got[0].header("webhook-id"), got[4].header("webhook-id"));
}

#[tokio::test]
async fn iq_is_posted_once_and_response_is_returned() {
    let answers = [
        (
            200,
            r#"{"container":{"name":"q","xmlns":"urn:example:q","json":{"a":1}}}"#,
        ),
        (204, ""),
        (500, ""),
        (
            200,
            r#"{"type":"error","error":{"condition":"conflict","text":"no"}}"#,
        ),
        (200, r#"{"body":"no iq"}"#),
    ];
    let (hook, address) = Hook::start(&answers).await;
    let (mounted, _) = mounted(Settings {
        bots: vec![bot(Some(webhook(address)))],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    let ask = "<iq type='set' to='bot@bridge.localhost'><q xmlns='urn:example:q'><json \
        xmlns='urn:xmpp:json:0'>[1]</json></q></iq>";
    let mut answers = Vec::new();
    for _ in 0..5 {
        let answer = alice.request(ask).await.unwrap();
        let error = answer
            .kind()
            .is_error()
            .then(|| StanzaError::from_stanza(&answer).condition());
        answers.push((
            String::from_utf8_lossy(answer.children().as_bytes()).into_owned(),
            error,
        ));
    }
    assert_eq!(
        answers[0].0,
        "<q xmlns='urn:example:q'><json xmlns='urn:xmpp:json:0'>{\"a\":1}</json></q>"
    );
    assert_eq!(answers[1], (String::new(), None));
    let conditions: Vec<_> = answers[2..]
        .iter()
        .map(|(_, error)| error.unwrap())
        .collect();
    assert_eq!(
        conditions,
        [
            Condition::InternalServerError,
            Condition::Conflict,
            Condition::InternalServerError
        ]
    );
    assert_eq!(hook.got(5).await[0].json()["container"]["json"], json!([1]));
}

#[tokio::test]
async fn bot_advertises_identity_and_datatypes_in_disco() {
    let (_hook, address) = Hook::start(&[]).await;
    let (mounted, _) = mounted(Settings {
        bots: vec![bot(Some(webhook(address)))],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    let info = "<iq type='get' to='bot@bridge.localhost'><query \
        xmlns='http://jabber.org/protocol/disco#info'/></iq>";
    let info = alice.request(info).await.unwrap().to_xml();
    for wanted in [
        "urn:xmpp:json-msg:0#urn:example:order",
        "'urn:xmpp:json-msg:0'",
        "urn:example:q",
        "category='client'",
        "type='bot'",
        "name='Bot'",
    ] {
        assert!(info.contains(wanted), "{wanted}: {info}");
    }
}

#[tokio::test]
async fn invalid_json_container_returns_bad_request_to_sender() {
    let (hook, address) = Hook::start(&[]).await;
    let (mounted, _) = mounted(Settings {
        bots: vec![bot(Some(webhook(address)))],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    alice
        .send(
            message(
                "1",
                "<payload xmlns='urn:xmpp:json-msg:0' datatype='d'><json \
                xmlns='urn:xmpp:json:0'>{</json></payload>",
            )
            .as_str(),
        )
        .await
        .unwrap();
    assert_eq!(
        StanzaError::from_stanza(&alice.recv().await.unwrap()).condition(),
        Condition::BadRequest
    );
    assert_eq!(hook.count(), 0);
}

#[tokio::test]
async fn webhook_returning_410_is_disabled() {
    let (hook, address) = Hook::start(&[(410, "")]).await;
    let (mounted, _) = mounted(Settings {
        bots: vec![bot(Some(webhook(address)))],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    for _ in 0..2 {
        alice
            .send(message("1", "<body>x</body>").as_str())
            .await
            .unwrap();
        assert_eq!(
            StanzaError::from_stanza(&alice.recv().await.unwrap()).condition(),
            Condition::Gone
        );
    }
    assert_eq!(hook.count(), 1);
}

#[tokio::test]
async fn guarded_webhook_refuses_private_address() {
    let (hook, address) = Hook::start(&[]).await;
    let settings = Settings {
        bots: vec![bot(Some(webhook(address).guarded()))],
        max_age: std::time::Duration::from_millis(1),
        ..Settings::default()
    };
    let (mounted, _) = mounted(settings).await;
    let alice = mounted.user("alice@localhost/phone");
    alice
        .send(message("1", "<body>x</body>").as_str())
        .await
        .unwrap();
    assert_eq!(
        StanzaError::from_stanza(&alice.recv().await.unwrap()).condition(),
        Condition::RecipientUnavailable
    );
    assert_eq!(hook.count(), 0);
}

#[tokio::test]
async fn receipt_is_sent_after_message_is_stored() {
    let folder = Folder::new("receipt");
    let (hook, address) = Hook::start(&[]).await;
    let settings = Settings {
        bots: vec![bot(Some(webhook(address)))],
        outbox: Some(folder.file("outbox.db")),
        ..Settings::default()
    };
    let (mounted, _) = mounted(settings).await;
    let alice = mounted.user("alice@localhost/phone");
    alice
        .send(message("m1", "<body>x</body><request xmlns='urn:xmpp:receipts'/>").as_str())
        .await
        .unwrap();
    let receipt = alice.recv().await.unwrap();
    assert_eq!(
        String::from_utf8_lossy(receipt.children().as_bytes()),
        "<received xmlns='urn:xmpp:receipts' id='m1'/>"
    );
    assert_eq!(hook.got(1).await[0].json()["receipt"], json!(true));
}

#[tokio::test]
async fn huge_retry_after_delays_the_last_attempt_to_the_end_of_max_age() {
    for after in [
        "18446744073709551615",
        "99999999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Tuesday, 06-Nov-68 08:49:37 GMT",
        "Sun Nov  6 08:49:37 2067",
    ] {
        let failed = Response::json(503, "").header("retry-after", after);
        let (hook, address) = Hook::start_with([failed]).await;
        let settings = Settings {
            bots: vec![bot(Some(webhook(address)))],
            max_age: Duration::from_millis(1500),
            ..Settings::default()
        };
        let (mounted, bridge) = mounted(settings).await;
        let alice = mounted.user("alice@localhost/phone");
        let accepted = Instant::now();
        for id in ["1", "2"] {
            alice
                .send(message(id, "<body>x</body>").as_str())
                .await
                .unwrap();
        }
        until(|| bridge.snapshot().delivered == 2).await;
        assert!(accepted.elapsed() >= Duration::from_millis(1450), "{after}");
        let ids: Vec<_> = hook.got(3).await.iter().map(Got::json).collect();
        assert_eq!((&ids[0]["id"], &ids[2]["id"]), (&json!("1"), &json!("2")));
        assert_eq!(bridge.snapshot().dead, 0, "{after}");
    }
}

#[tokio::test]
async fn message_is_given_up_when_an_attempt_after_max_age_fails() {
    let (hook, address) = Hook::start(&[(503, ""); 9]).await;
    let settings = Settings {
        bots: vec![bot(Some(webhook(address)))],
        max_age: Duration::from_millis(2500),
        ..Settings::default()
    };
    let (mounted, _) = mounted(settings).await;
    let alice = mounted.user("alice@localhost/phone");
    let accepted = Instant::now();
    alice
        .send(message("1", "<body>x</body>").as_str())
        .await
        .unwrap();
    alice.recv().await.unwrap();
    assert!(accepted.elapsed() >= Duration::from_millis(2450));
    // At once, after up to 1 s, after up to 2 s more, and at the end.
    assert!((3..=4).contains(&hook.count()), "{}", hook.count());
}

#[tokio::test]
async fn json_with_another_content_type_is_ignored_and_counted() {
    let answers = [
        Response::json(200, r#"{"body":"lost"}"#).header("content-type", "text/html"),
        Response::json(200, "OK").header("content-type", "text/plain"),
        Response::json(200, "{}"),
        Response::json(200, "\u{FEFF}{\"body\":\"end\"}"),
    ];
    let (_hook, address) = Hook::start_with(answers).await;
    let (mounted, bridge) = mounted(Settings {
        bots: vec![bot(Some(webhook(address)))],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    for id in ["1", "2", "3", "4"] {
        alice
            .send(message(id, "<body>x</body>").as_str())
            .await
            .unwrap();
    }
    let reply = alice.recv().await.unwrap().to_xml();
    assert!(reply.contains("<body>end</body>"), "{reply}");
    // The page, and the message without content.
    assert_eq!(bridge.snapshot().bad_answers, 2);
}

#[tokio::test]
async fn response_with_many_headers_is_read() {
    let many = (0..500).fold(Response::json(200, r#"{"body":"hi"}"#), |mut answer, n| {
        answer.headers.push(("x-trace", n.to_string()));
        answer
    });
    let (hook, address) = Hook::start_with([many]).await;
    let (mounted, _) = mounted(Settings {
        bots: vec![bot(Some(webhook(address)))],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    alice
        .send(message("1", "<body>x</body>").as_str())
        .await
        .unwrap();
    assert!(
        alice
            .recv()
            .await
            .unwrap()
            .to_xml()
            .contains("<body>hi</body>")
    );
    assert_eq!(hook.count(), 1);
}

#[tokio::test]
async fn webhook_returning_410_to_an_iq_is_disabled() {
    let (hook, address) = Hook::start(&[(410, "")]).await;
    let (mounted, _) = mounted(Settings {
        bots: vec![bot(Some(webhook(address)))],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    let ask = "<iq type='get' to='bot@bridge.localhost'><q xmlns='urn:example:q'/></iq>";
    let answer = alice.request(ask).await.unwrap();
    assert_eq!(
        StanzaError::from_stanza(&answer).condition(),
        Condition::Gone
    );
    alice
        .send(message("1", "<body>x</body>").as_str())
        .await
        .unwrap();
    let error = alice.recv().await.unwrap();
    assert_eq!(
        StanzaError::from_stanza(&error).condition(),
        Condition::Gone
    );
    assert_eq!(hook.count(), 1);
}
