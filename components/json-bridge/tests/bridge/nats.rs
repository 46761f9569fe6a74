//! A bridge with a broker: Debian's nats-server.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::{self, Context};
use campanile::component::Component;
use campanile::error::{Condition, StanzaError};
use campanile::jid::Jid;
use campanile_json_bridge::{Bridge, Nats, Settings};
use campanile_testing::host::{Host, OnConflict};
use campanile_testing::start;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::setup::{Folder, Hook, bot, eventually, mounted, until, webhook};

/// A broker on a free loopback port, killed at the end of the test.
struct Broker {
    process: Child,
    port: u16,
    folder: Folder,
}

impl Broker {
    async fn start(name: &str) -> Self {
        let port = port();
        let folder = Folder::new(&format!("nats-{name}"));
        let broker = Self {
            process: run(port, &folder),
            port,
            folder,
        };
        broker.is_up().await;
        broker
    }

    async fn is_up(&self) {
        eventually(async || TcpStream::connect(("127.0.0.1", self.port)).await.is_ok()).await;
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    async fn start_again(&mut self) {
        self.process = run(self.port, &self.folder);
        self.is_up().await;
    }

    fn settings(&self) -> Nats {
        Nats {
            url: format!("nats://127.0.0.1:{}", self.port),
            prefix: "t.x".into(),
            ..Nats::default()
        }
    }

    async fn client(&self) -> (async_nats::Client, Context) {
        let client = async_nats::connect(format!("127.0.0.1:{}", self.port))
            .await
            .unwrap();
        (client.clone(), jetstream::new(client))
    }
}

/// Returns a free port below the ephemeral range, so that no outgoing connection occupies it while
/// the broker restarts.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + u16::try_from(std::process::id() * 97 % 5_000).unwrap();
    let mut ports =
        std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::Relaxed)).take(1_000);
    ports
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port is free")
}

fn run(port: u16, folder: &Folder) -> Child {
    let mut command = Command::new("nats-server");
    command
        .args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"])
        .arg(folder.file("data"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
        .spawn()
        .expect("nats-server is installed (`tests/run install`)")
}

impl Drop for Broker {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn message(id: &str) -> String {
    format!(
        "<message type='chat' id='{id}' to='bot@bridge.localhost'><body>hello</body>\
         <request xmlns='urn:xmpp:receipts'/></message>"
    )
}

fn with(nats: Nats, bot: campanile_json_bridge::Bot) -> Settings {
    Settings {
        bots: vec![bot],
        nats: Some(nats),
        ..Settings::default()
    }
}

#[tokio::test]
async fn bot_consumes_in_stream_and_publishes_to_out_stream() {
    let broker = Broker::start("bot").await;
    let (mounted, bridge) = mounted(with(broker.settings(), bot(None))).await;
    let alice = mounted.user("alice@localhost/phone");
    alice.send(message("m1").as_str()).await.unwrap();
    alice
        .expect("<message type='chat'><received xmlns='urn:xmpp:receipts' id='m1'/></message>")
        .await;
    let (client, streams) = broker.client().await;
    let stream = streams.get_stream("t-x-in").await.unwrap();
    let own = pull::Config {
        filter_subject: "t.x.in.bot.>".into(),
        ..pull::Config::default()
    };
    let consumer: PullConsumer = stream.create_consumer(own).await.unwrap();
    let got = consumer
        .messages()
        .await
        .unwrap()
        .next()
        .await
        .unwrap()
        .unwrap();
    let stanza: Value = serde_json::from_slice(&got.payload).unwrap();
    assert_eq!(
        (&*got.subject, &stanza["body"]),
        ("t.x.in.bot.message.chat", &json!("hello"))
    );
    assert!(
        got.headers
            .as_ref()
            .unwrap()
            .get("Nats-Msg-Id")
            .unwrap()
            .as_str()
            .starts_with("msg_")
    );
    got.double_ack().await.unwrap();
    let mut refused = client.subscribe("t.x.refused.bot").await.unwrap();
    let send = async |id: &str, body: Value| {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        let word = streams
            .publish_with_headers("t.x.out.bot", headers, body.to_string().into())
            .await
            .unwrap();
        word.await.unwrap();
    };
    let reply = json!({"to": "alice@localhost/phone", "body": "hi"});
    send("r1", reply.clone()).await;
    // A repeated message sends no second stanza.
    send("r1", reply).await;
    alice
        .expect("<message from='bot@bridge.localhost' id='r1-0'><body>hi</body></message>")
        .await;
    for (body, field) in [
        (json!({"to": "bob@other.example", "body": "x"}), "to"),
        (
            json!({"to": "alice@localhost", "from": "boss@bridge.localhost", "body": "x"}),
            "from",
        ),
        (json!({"to": "alice@localhost", "ping": true}), "kind"),
        (json!({"to": "alice@localhost", "nonsense": 1}), "nonsense"),
    ] {
        send(field, body).await;
        let told: Value = serde_json::from_slice(&refused.next().await.unwrap().payload).unwrap();
        assert_eq!(
            (&told["field"], &told["id"]),
            (&json!(field), &json!(field))
        );
    }
    until(|| bridge.snapshot().accepted == 1 && bridge.snapshot().bad_answers == 4).await;
    // All messages have been acknowledged.
    eventually(async || {
        streams
            .get_stream("t-x-out")
            .await
            .unwrap()
            .cached_info()
            .state
            .messages
            == 0
    })
    .await;
}

#[tokio::test]
async fn iq_uses_request_reply() {
    let broker = Broker::start("iq").await;
    let (mounted, _bridge) = mounted(with(broker.settings(), bot(None))).await;
    let alice = mounted.user("alice@localhost/phone");
    let ask = "<iq type='get' to='bot@bridge.localhost'><query xmlns='jabber:iq:version'/></iq>";
    assert_eq!(
        StanzaError::from_stanza(&alice.request(ask).await.unwrap()).condition(),
        Condition::ServiceUnavailable
    );
    let (client, streams) = broker.client().await;
    let mut requests = client
        .queue_subscribe("t.x.iq.bot", "workers".into())
        .await
        .unwrap();
    // The broker processes the commands of a connection in order, so a response to this one means
    // that the subscription is active.
    streams.get_stream("t-x-in").await.unwrap();
    let answering = async {
        let request = requests.next().await.unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&request.payload).unwrap()["version"],
            true
        );
        let version = json!({"version": {"name": "on nats", "version": "1"}}).to_string();
        client
            .publish(request.reply.unwrap(), version.into())
            .await
            .unwrap();
    };
    let asked = async {
        tokio::join!(alice.request(ask), answering)
            .0
            .unwrap()
            .to_xml()
    };
    let answer = tokio::time::timeout(Duration::from_secs(60), asked)
        .await
        .expect("response in time");
    assert!(answer.contains("<name>on nats</name>"), "{answer}");
}

#[tokio::test]
async fn webhook_receives_stream_messages_in_order() {
    let broker = Broker::start("hook").await;
    let (hook, address) = Hook::start(&[(500, ""), (200, r#"{"body":"hi"}"#)]).await;
    let (mounted, bridge) = mounted(with(broker.settings(), bot(Some(webhook(address))))).await;
    let alice = mounted.user("alice@localhost/phone");
    for id in ["m1", "m2", "m3"] {
        alice.send(message(id).as_str()).await.unwrap();
    }
    let got = hook.got(4).await;
    let ids: Vec<_> = got
        .iter()
        .map(|got| got.json()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, ["m1", "m1", "m2", "m3"]);
    assert_eq!(got[0].header("webhook-id"), got[1].header("webhook-id"));
    until(|| bridge.snapshot().delivered == 3 && bridge.waiting() == 0).await;
    let replied = async {
        loop {
            let got = alice.recv().await.unwrap().to_xml();
            if got.contains("<body>hi</body>") {
                return got;
            }
        }
    };
    assert!(
        replied.await.contains("-0'"),
        "the id of a reply is derived from the id of the message"
    );
    let (_, streams) = broker.client().await;
    eventually(async || {
        streams
            .get_stream("t-x-in")
            .await
            .unwrap()
            .cached_info()
            .state
            .messages
            == 0
    })
    .await;
}

#[tokio::test]
async fn broker_outage_rejects_messages_and_recovers() {
    let mut broker = Broker::start("down").await;
    let (hook, address) = Hook::start(&[]).await;
    let (mounted, bridge) = mounted(with(broker.settings(), bot(Some(webhook(address))))).await;
    let alice = mounted.user("alice@localhost/phone");
    alice.send(message("m1").as_str()).await.unwrap();
    hook.got(1).await;
    broker.kill();
    alice.send(message("m2").as_str()).await.unwrap();
    let error = alice
        .recv_where(|stanza| stanza.kind().is_error())
        .await
        .unwrap();
    assert_eq!(
        (error.id(), StanzaError::from_stanza(&error).condition()),
        (Some("m2"), Condition::ResourceConstraint)
    );
    assert_eq!(bridge.snapshot().turned_away, 1);
    broker.start_again().await;
    // Messages are rejected until the bridge has reconnected.
    let receipted = |id: String| {
        move |stanza: &campanile::stanza::Stanza| stanza.to_xml().contains(&format!("id='{id}'/>"))
    };
    let mut attempt = 0;
    eventually(async || {
        attempt += 1;
        alice
            .send(message(&format!("n{attempt}")).as_str())
            .await
            .unwrap();
        let wanted = receipted(format!("n{attempt}"));
        let receipt = tokio::time::timeout(Duration::from_secs(15), alice.recv_where(wanted)).await;
        receipt.is_ok()
    })
    .await;
    let wanted = format!("n{attempt}");
    eventually(async || {
        hook.got(2)
            .await
            .iter()
            .any(|got| got.json()["id"] == wanted.as_str())
    })
    .await;
}

/// A response that arrives at the wrong one of two bridges is forwarded to the other.
#[tokio::test]
async fn bridges_sharing_a_jid_forward_responses() {
    let broker = Broker::start("answers").await;
    let host = Host::builder()
        .secret("s3cr3t")
        .on_conflict(OnConflict::Share)
        .build();
    let alice = host.user("alice@localhost/phone").unwrap();
    tokio::spawn(async move {
        while let Some(request) = alice.recv().await {
            let id = request.id().unwrap_or_default();
            alice
                .send(format!(
                    "<iq type='result' to='bridge.localhost' id='{id}'/>"
                ))
                .await
                .unwrap();
        }
    });
    let bridge = || {
        let builder = Component::builder("bridge.localhost")
            .connector(host.connector())
            .secret("s3cr3t");
        start(builder.module(Bridge::new(with(broker.settings(), bot(None)))))
    };
    let both = [bridge(), bridge()];
    let peer: Jid = "alice@localhost/phone".parse().unwrap();
    for bridge in &both {
        bridge.mounted().await;
        // A response may be lost until the bridge has subscribed to forwarded responses.
        eventually(async || bridge.client().ping(peer.clone()).await.is_ok()).await;
    }
    let asks = (0..50).flat_map(|_| &both).map(|bridge| {
        let client = bridge.client();
        let peer = peer.clone();
        async move { client.ping(peer).await }
    });
    for answer in futures_util::future::join_all(asks).await {
        answer.unwrap();
    }
    let forwarded: u64 = both.iter().map(|bridge| bridge.counters().forwarded).sum();
    assert!(forwarded > 10, "{forwarded}");
}
