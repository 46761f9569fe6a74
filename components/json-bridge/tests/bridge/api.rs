//! The HTTP API.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use campanile::reply::Reply;
use campanile_json_bridge::{Api, Bridge, Grant, Secret, Settings};
use campanile_testing::Mounted;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::http::{Answer, ask};
use crate::setup::{Folder, bot, eventually, mounted, until};

struct Side {
    mounted: Mounted,
    bridge: Arc<Bridge>,
    address: SocketAddr,
    _folder: Folder,
}

async fn side(name: &str) -> Side {
    let folder = Folder::new(name);
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let api = Api {
        listen,
        token: Some(Secret::new("whole-token")),
        to: Grant::Anybody,
    };
    let settings = Settings {
        bots: vec![bot(None)],
        api: Some(api),
        outbox: Some(folder.file("outbox.db")),
        ..Settings::default()
    };
    let (mounted, bridge) = mounted(settings).await;
    let address = bridge.listening().unwrap();
    Side {
        mounted,
        bridge,
        address,
        _folder: folder,
    }
}

impl Side {
    async fn post(&self, path: &str, token: &str, body: &str) -> Answer {
        let head =
            format!("POST {path}\nAuthorization: Bearer {token}\nContent-Type: application/json");
        ask(self.address, &head, body).await
    }

    async fn get(&self, path: &str) -> Answer {
        ask(
            self.address,
            &format!("GET {path}\nAuthorization: Bearer bot-token"),
            "",
        )
        .await
    }
}

#[tokio::test]
async fn message_is_sent_from_the_bot_address() {
    let side = side("send").await;
    let alice = side.mounted.user("alice@localhost/phone");
    let answer = side
        .post(
            "/v1/messages",
            "bot-token",
            r#"{"to":"alice@localhost/phone","body":"hi","id":"x1"}"#,
        )
        .await;
    assert_eq!(
        (answer.status, answer.json()),
        (202, json!({"id": "x1", "state": "taken"}))
    );
    let got = alice.recv().await.unwrap().to_xml();
    assert_eq!(
        got,
        "<message from='bot@bridge.localhost' to='alice@localhost/phone' id='x1' \
        type='chat'><body>hi</body></message>"
    );
    let answer = side
        .post(
            "/v1/presence",
            "whole-token",
            r#"{"to":"alice@localhost/phone","show":"away","from":"bot@bridge.localhost"}"#,
        )
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(
        alice
            .recv()
            .await
            .unwrap()
            .to_xml()
            .contains("<show>away</show>")
    );
}

#[tokio::test]
async fn message_accepts_form_and_plain_text_bodies() {
    let side = side("form").await;
    let alice = side.mounted.user("alice@localhost/phone");
    let post = |target: &str, kind: &str, body: &'static str| {
        let head = format!("POST {target}\nAuthorization: Bearer bot-token\nContent-Type: {kind}");
        let address = side.address;
        async move { ask(address, &head, body).await }
    };
    let form = "to=alice%40localhost%2Fphone&body=a+%26+b&subject=s&type=normal";
    let answer = post("/v1/messages", "application/x-www-form-urlencoded", form).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let got = alice.recv().await.unwrap().to_xml();
    assert!(
        got.contains("<body>a &amp; b</body>") && got.contains("<subject>s</subject>"),
        "{got}"
    );
    let answer = post(
        "/v1/messages?to=alice%40localhost%2Fphone",
        "text/plain; charset=utf-8",
        "one & all",
    )
    .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(
        alice
            .recv()
            .await
            .unwrap()
            .to_xml()
            .contains("type='chat'><body>one &amp; all</body>")
    );
    let answer = post(
        "/v1/messages",
        "application/x-www-form-urlencoded",
        "to=alice%40localhost&colour=red",
    )
    .await;
    assert_eq!(
        (answer.status, answer.json()["field"].as_str()),
        (422, Some("colour")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn slow_request_body_times_out_with_408() {
    let side = side("slow").await;
    let head = "POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \
        bot-token\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{";
    let mut stream = tokio::net::TcpStream::connect(side.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // Paused time skips to the timeout as soon as all tasks are idle.
    tokio::time::pause();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn excess_event_readers_get_503_while_other_requests_succeed() {
    let side = side("readers").await;
    let head = format!(
        "GET /v1/events HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer bot-token\r\n\r\n",
        side.address
    );
    let mut readers = Vec::new();
    let mut refused = 0;
    for _ in 0..270 {
        let mut stream = tokio::net::TcpStream::connect(side.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        refused += usize::from(&status == b"HTTP/1.1 503");
        readers.push(stream);
    }
    // One of two clients gets half of the readers, so the other one is served.
    assert_eq!(refused, 270 - 128);
    let mut other = tokio::net::TcpStream::connect(side.address).await.unwrap();
    let head = head.replace("bot-token", "whole-token");
    other.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    other.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    let sent = side
        .post(
            "/v1/messages",
            "bot-token",
            r#"{"to":"alice@localhost/phone","body":"x"}"#,
        )
        .await;
    assert_eq!(sent.status, 202);
    drop(readers);
    eventually(async || {
        ask(
            side.address,
            "GET /v1/events?limit=0\nAuthorization: Bearer bot-token",
            "",
        )
        .await
        .status
            == 200
    })
    .await;
}

#[tokio::test]
async fn rejected_requests_return_problem_status_and_field() {
    let side = side("refusals").await;
    let good = r#"{"to":"alice@localhost","body":"x"}"#;
    for (path, token, body, status, field) in [
        ("/v1/messages", "no-token", good, 401, ""),
        (
            "/v1/messages",
            "bot-token",
            r#"{"to":"alice@other.example","body":"x"}"#,
            403,
            "to",
        ),
        (
            "/v1/messages",
            "bot-token",
            r#"{"to":"alice@localhost","from":"boss@bridge.localhost","body":"x"}"#,
            403,
            "from",
        ),
        (
            "/v1/messages",
            "whole-token",
            r#"{"to":"alice@localhost","from":"boss@localhost","body":"x"}"#,
            403,
            "from",
        ),
        ("/v1/messages", "bot-token", r#"{"body":"x"}"#, 422, "to"),
        (
            "/v1/messages",
            "bot-token",
            r#"{"to":"@","body":"x"}"#,
            422,
            "to",
        ),
        (
            "/v1/messages",
            "bot-token",
            r#"{"to":"alice@localhost","body":"\u0007"}"#,
            422,
            "body",
        ),
        (
            "/v1/messages",
            "bot-token",
            r#"{"kind":"iq","to":"alice@localhost","ping":true}"#,
            422,
            "kind",
        ),
        ("/v1/messages", "bot-token", "{", 400, ""),
        (
            "/v1/iq",
            "bot-token",
            r#"{"to":"alice@localhost"}"#,
            422,
            "",
        ),
        ("/v1/nothing", "bot-token", good, 404, ""),
    ] {
        let answer = side.post(path, token, body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert_eq!(
            answer.json()["field"].as_str().unwrap_or_default(),
            field,
            "{body}: {answer:?}"
        );
        assert!(answer.head.contains("application/problem+json"));
    }
    let large = format!(
        r#"{{"to":"alice@localhost","body":"{}"}}"#,
        "x".repeat(600_000)
    );
    assert_eq!(
        side.post("/v1/messages", "bot-token", &large).await.status,
        413
    );
    for (path, kind) in [
        ("messages", "application/cbor"),
        ("presence", "text/plain"),
        ("iq", "application/xml"),
    ] {
        let head =
            format!("POST /v1/{path}\nAuthorization: Bearer bot-token\nContent-Type: {kind}");
        assert_eq!(ask(side.address, &head, "x").await.status, 415, "{path}");
    }
    let origin = "POST /v1/messages\nAuthorization: Bearer bot-token\nOrigin: \
        http://evil.example\nContent-Type: application/json";
    assert_eq!(ask(side.address, origin, good).await.status, 403);
    assert_eq!(side.get("/v1/messages").await.status, 405);
}

#[tokio::test]
async fn idempotency_key_sends_once() {
    let side = side("key").await;
    let alice = side.mounted.user("alice@localhost/phone");
    let head = "POST /v1/messages\nAuthorization: Bearer bot-token\nContent-Type: \
        application/json\nIdempotency-Key: k1";
    let body = r#"{"to":"alice@localhost/phone","body":"once"}"#;
    let first = ask(side.address, head, body).await;
    let second = ask(side.address, head, body).await;
    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(
        (&first.json()["id"], second.json()["state"].as_str()),
        (&second.json()["id"], Some("repeated"))
    );
    assert_eq!(
        ask(side.address, head, &body.replace("once", "else"))
            .await
            .status,
        422
    );
    alice.recv().await.unwrap();
    side.post(
        "/v1/messages",
        "bot-token",
        r#"{"to":"alice@localhost/phone","body":"end"}"#,
    )
    .await;
    assert!(alice.recv().await.unwrap().to_xml().contains("end"));
}

#[tokio::test]
async fn request_is_sent_although_its_client_has_gone() {
    const REQUESTS: usize = 40;
    let side = side("gone").await;
    let alice = side.mounted.user("alice@localhost/phone");
    for number in 0..REQUESTS {
        let body = format!(r#"{{"to":"alice@localhost/phone","body":"m{number}"}}"#);
        let length = body.len();
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer bot-token\r\n\
            Content-Type: application/json\r\nIdempotency-Key: k{number}\r\n\
            Content-Length: {length}\r\n\r\n{body}"
        );
        let mut client = tokio::net::TcpStream::connect(side.address).await.unwrap();
        client.write_all(head.as_bytes()).await.unwrap();
        drop(client);
        let head = format!(
            "POST /v1/messages\nAuthorization: Bearer bot-token\nContent-Type: \
            application/json\nIdempotency-Key: k{number}"
        );
        // The client tries again, and learns that the message is sent.
        assert_eq!(ask(side.address, &head, &body).await.status, 202);
    }
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..REQUESTS {
        let message = timeout(Duration::from_secs(30), alice.recv()).await;
        let message = message.expect("every message arrives").unwrap().to_xml();
        let body = message.split("<body>").nth(1).unwrap();
        assert!(seen.insert(body.split('<').next().unwrap().to_owned()));
    }
    assert_eq!(seen.len(), REQUESTS);
}

#[tokio::test]
async fn iq_request_returns_its_response() {
    let side = side("iq").await;
    let alice = side.mounted.user("alice@localhost/phone");
    let answering = async {
        let request = alice.recv().await.unwrap();
        let version = campanile::xmpp_parsers::version::VersionResult {
            name: "n".into(),
            version: "1".into(),
            os: None,
        };
        alice
            .answer(&request, Reply::payload(&version).unwrap())
            .await
            .unwrap();
    };
    let (answer, ()) = tokio::join!(side.get("/v1/version/alice@localhost%2Fphone"), answering);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.json()["version"],
        json!({"name": "n", "version": "1"})
    );
    let answer = side
        .post(
            "/v1/iq",
            "whole-token",
            r#"{"to":"bridge.localhost","disco":true}"#,
        )
        .await;
    assert_eq!(answer.json()["kind"], "iq", "{answer:?}");
    let answer = side.get("/v1/ping/absent@localhost%2Fx").await;
    assert_eq!(
        (answer.status, answer.json()["type"].as_str()),
        (200, Some("error")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn raw_xml_is_limited_to_one_permitted_stanza() {
    let side = side("xml").await;
    let alice = side.mounted.user("alice@localhost/phone");
    let xml = |body: &'static str| {
        let head =
            "POST /v1/stanzas\nAuthorization: Bearer bot-token\nContent-Type: application/xmpp+xml";
        ask(side.address, head, body)
    };
    let good =
        xml("<message to='alice@localhost/phone' id='1'><x xmlns='urn:x'>t</x></message>").await;
    assert_eq!(good.status, 202, "{good:?}");
    assert!(
        alice
            .recv()
            .await
            .unwrap()
            .to_xml()
            .contains("<x xmlns='urn:x'>t</x>")
    );
    assert_eq!(xml("<message to='a@b'/>").await.status, 403);
    assert_eq!(
        xml("<message from='alice@localhost' to='alice@localhost'/>")
            .await
            .status,
        403
    );
    assert_eq!(
        xml("<message to='alice@localhost'/><message to='alice@localhost'/>")
            .await
            .status,
        422
    );
    assert_eq!(
        xml("<message to='alice@localhost'/></stream:stream>")
            .await
            .status,
        422
    );
    assert_eq!(
        xml("<iq type='result' id='1' to='alice@localhost'/>")
            .await
            .status,
        422
    );
    let echo = side
        .post("/v1/echo", "bot-token", r#"{"to":"a@b","body":"x"}"#)
        .await;
    assert_eq!(
        echo.json()["xml"],
        "<message to='a@b' type='normal'><body>x</body></message>"
    );
}

#[tokio::test]
async fn events_resume_from_cursor_and_apply_filters() {
    let side = side("events").await;
    let alice = side.mounted.user("alice@localhost/phone");
    for (id, kind) in [("1", "chat"), ("2", "normal"), ("3", "chat")] {
        let message = format!(
            "<message type='{kind}' id='{id}' to='bot@bridge.localhost'><body>x</body></message>"
        );
        alice.send(message.as_str()).await.unwrap();
    }
    let sse = side.get("/v1/events?since=0&limit=3").await;
    assert!(sse.head.contains("text/event-stream"), "{sse:?}");
    let ids: Vec<_> = sse
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .collect();
    let ids: Vec<i64> = ids.iter().map(|id| id.parse().unwrap()).collect();
    assert_eq!((ids[1] - ids[0], ids[2] - ids[0]), (1, 2), "{sse:?}");
    let head = format!(
        "GET /v1/events?limit=1&type=chat&from=localhost\nAuthorization: Bearer \
        bot-token\nAccept: application/x-ndjson\nLast-Event-ID: {}",
        ids[0]
    );
    let lines = ask(side.address, &head, "").await;
    let event: serde_json::Value = serde_json::from_str(lines.body.trim()).unwrap();
    assert_eq!(
        (&event["id"], &event["stanza"]["id"], &event["bot"]),
        (&json!(ids[2]), &json!("3"), &json!("bot"))
    );
    for wrong in ["since=-1", "since=1&since=2", "kind=caf%E9"] {
        let path = format!("/v1/events?{wrong}");
        assert_eq!(side.get(&path).await.status, 400, "{wrong}");
    }
    assert_eq!(side.get("/v1/events?since=x").await.status, 400);
    assert_eq!(ask(side.address, "GET /v1/events", "").await.status, 401);
}

#[tokio::test]
async fn openapi_document_needs_no_token() {
    let side = side("document").await;
    let document = ask(side.address, "GET /v1/openapi.json", "").await;
    assert_eq!(document.json()["openapi"], "3.1.0");
    assert_eq!(
        ask(side.address, "GET /v1/schema.json", "").await.status,
        200
    );
    assert_eq!(ask(side.address, "GET /healthz", "").await.body, "ok\n");
    until(|| side.bridge.snapshot().accepted == 0).await;
}

#[tokio::test]
async fn refused_stanza_is_refused_again_with_its_idempotency_key() {
    let side = side("refused").await;
    let head = "POST /v1/messages\nAuthorization: Bearer bot-token\nContent-Type: \
        application/json\nIdempotency-Key: k1";
    // Four bytes in JSON, and too large for a stream as XML.
    let body = format!(
        r#"{{"to":"alice@localhost/phone","body":"{}"}}"#,
        "<".repeat(140_000)
    );
    let first = ask(side.address, head, &body).await;
    let second = ask(side.address, head, &body).await;
    assert_eq!((first.status, second.status), (422, 422), "{second:?}");
    assert_eq!(first.json()["detail"], second.json()["detail"]);
}

#[tokio::test]
async fn invalid_and_repeated_form_fields_are_refused_by_name() {
    let side = side("fields").await;
    let head = "POST /v1/messages\nAuthorization: Bearer bot-token\nContent-Type: \
        application/x-www-form-urlencoded";
    for (body, field) in [
        ("to=alice@localhost&body=caf%E9", "body"),
        ("to=alice@localhost&to=bob@localhost&body=x", "to"),
    ] {
        let answer = ask(side.address, head, body).await;
        assert_eq!(
            (answer.status, answer.json()["field"].as_str()),
            (400, Some(field))
        );
    }
    let head = "POST /v1/messages?to=alice@localhost&id=%FF\nAuthorization: Bearer \
        bot-token\nContent-Type: text/plain";
    let answer = ask(side.address, head, "x").await;
    assert_eq!(
        (answer.status, answer.json()["field"].as_str()),
        (400, Some("id"))
    );
}

#[tokio::test]
async fn byte_order_mark_before_a_body_is_ignored() {
    let side = side("bom").await;
    let body = "\u{FEFF}{\"to\":\"alice@localhost\",\"body\":\"x\"}";
    let answer = side.post("/v1/messages", "bot-token", body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
}

#[tokio::test]
async fn items_query_has_its_node() {
    let side = side("node").await;
    let alice = side.mounted.user("alice@localhost/phone");
    let answering = async {
        let request = alice.recv().await.unwrap();
        let reply = Reply::Error(campanile::error::Condition::ItemNotFound.into());
        alice.answer(&request, reply).await.unwrap();
        request.to_xml()
    };
    let path = "/v1/items/alice@localhost%2Fphone?node=urn:example:node";
    let (answer, request) = tokio::join!(side.get(path), answering);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(request.contains("node='urn:example:node'"), "{request}");
}

#[tokio::test]
async fn filters_do_not_depend_on_numbers_in_payloads() {
    let side = side("numbers").await;
    let stranger = side.mounted.user("eve@localhost/x");
    let boss = side.mounted.user("boss@localhost/x");
    for number in ["1e999", &"9".repeat(5001)] {
        let message = format!(
            "<message type='chat' id='1' to='bot@bridge.localhost'><payload \
            xmlns='urn:xmpp:json-msg:0' datatype='urn:example:order'><json \
            xmlns='urn:xmpp:json:0'>[{number}]</json></payload></message>"
        );
        stranger.send(message.as_str()).await.unwrap();
        let error = stranger.recv().await.unwrap().to_xml();
        assert!(
            error.contains("<bad-request") && error.contains("double"),
            "{error}"
        );
    }
    // Valid JSON that many parsers refuse, because of half a surrogate pair.
    let message = "<message type='chat' id='2' to='bot@bridge.localhost'><payload \
        xmlns='urn:xmpp:json-msg:0' datatype='urn:example:order'><json \
        xmlns='urn:xmpp:json:0'>\"\\ud800\"</json></payload></message>";
    stranger.send(message).await.unwrap();
    boss.say("bot@bridge.localhost", "hello").await.unwrap();
    let path = "/v1/events?since=0&from=boss@localhost&kind=message&limit=1";
    let event = side.get(path).await;
    assert!(event.body.contains("hello"), "{event:?}");
    let path = "/v1/events?since=0&datatype=urn:example:order&limit=1";
    let event = side.get(path).await;
    assert!(event.body.contains("eve@localhost/x"), "{event:?}");
}

#[tokio::test]
async fn cursor_of_another_life_or_beyond_the_end_gets_a_gap() {
    let folder = Folder::new("lives");
    for is_stored in [false, true] {
        let mut settings = Settings {
            bots: vec![bot(None)],
            api: Some(Api {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                token: None,
                to: Grant::default(),
            }),
            outbox: is_stored.then(|| folder.file("first.db")),
            ..Settings::default()
        };
        let (latest, body) = read_three(&settings, "since=0&limit=3", "").await;
        assert!(!body.contains("gap"), "{body}");
        for (cursor, limit) in [(latest, 3), (3, 3), (9_000_000_000_000_000, 3)] {
            // The file is lost, or the events in memory.
            settings.outbox = is_stored.then(|| folder.file(&format!("{cursor}.db")));
            let query = format!("limit={limit}");
            let head = format!("\nLast-Event-ID: {cursor}");
            let (next, body) = read_three(&settings, &query, &head).await;
            assert!(
                body.contains("event: gap") && next > latest,
                "{cursor}: {body}"
            );
        }
    }
}

/// Starts a bridge, sends three messages, and returns the id of the last event and all that is
/// read.
async fn read_three(settings: &Settings, query: &str, headers: &str) -> (i64, String) {
    let (mounted, bridge) = mounted(settings.clone()).await;
    let alice = mounted.user("alice@localhost/phone");
    for text in ["one", "two", "three"] {
        alice.say("bot@bridge.localhost", text).await.unwrap();
    }
    let head = format!("GET /v1/events?{query}\nAuthorization: Bearer bot-token{headers}");
    let answer = ask(bridge.listening().unwrap(), &head, "").await;
    let last = answer
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .next_back();
    (last.unwrap().parse().unwrap(), answer.body)
}

#[tokio::test]
async fn common_mistakes_are_explained() {
    let side = side("mistakes").await;
    let post = |kind: &str, body: &'static str| {
        let kind = if kind.is_empty() {
            String::new()
        } else {
            format!("\nContent-Type: {kind}")
        };
        let head = format!("POST /v1/messages\nAuthorization: Bearer bot-token{kind}");
        let address = side.address;
        async move { ask(address, &head, body).await }
    };
    let json = r#"{"to":"alice@localhost","body":"x"}"#;
    for (kind, body, status, words) in [
        ("", json, 415, "missing content type"),
        (
            "application/x-www-form-urlencoded",
            json,
            415,
            "Content-Type: application/json",
        ),
        (
            "application/json",
            r#"{"to":"alice","body":"x"}"#,
            403,
            "alice@example.org",
        ),
        (
            "application/json",
            r#"{"to":"alice@localhost"}"#,
            422,
            "no content",
        ),
    ] {
        let answer = post(kind, body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains(words), "{answer:?}");
    }
}
