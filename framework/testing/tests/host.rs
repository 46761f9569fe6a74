//! Tests of the embedded host with raw bytes: accepted input, and the wording of errors.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use campanile::stanza::Stanza;
use campanile_stanza::reader::{Event, Reader};
use campanile_testing::host::{Disconnect, Host, OnConflict, User, UserError};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const HEADER: &str = "<stream:stream xmlns='jabber:component:accept' \
    xmlns:stream='http://etherx.jabber.org/streams' to='echo.localhost'>";
const EMPTY: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
    xmlns:stream='http://etherx.jabber.org/streams' version='1.0' id=''>";

/// A component that reads and writes raw bytes.
struct Raw(DuplexStream);

impl Raw {
    fn connect(host: &Host) -> Self {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        host.attach(theirs);
        Self(ours)
    }

    async fn mounted(host: &Host) -> Self {
        let mut raw = Self::connect(host);
        assert_eq!(raw.shake("s3cr3t").await, "<handshake/>");
        raw
    }

    /// Opens the stream, sends the digest of this secret, and returns the reply.
    async fn shake(&mut self, secret: &str) -> String {
        self.send(HEADER).await;
        let header = self.until('>', 2).await;
        let (_, id) = header.split_once(" id='").unwrap();
        let (id, _) = id.split_once('\'').unwrap();
        let digest: String = Sha1::digest(format!("{id}{secret}"))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.send(&format!("<handshake>{digest}</handshake>")).await;
        self.until('>', 1).await
    }

    async fn send(&mut self, xml: &str) {
        self.0.write_all(xml.as_bytes()).await.unwrap();
    }

    /// Reads up to the `n`th occurrence of a character.
    async fn until(&mut self, last: char, n: usize) -> String {
        let mut text = String::new();
        while text.matches(last).count() < n {
            text.push(char::from(self.0.read_u8().await.unwrap()));
        }
        text
    }

    /// Reads to end of file.
    async fn rest(mut self) -> String {
        let mut text = String::new();
        self.0.read_to_string(&mut text).await.unwrap();
        text
    }
}

fn error(condition: &str, text: &str) -> String {
    let namespace = "urn:ietf:params:xml:ns:xmpp-streams";
    let text = if text.is_empty() {
        String::new()
    } else {
        format!("<text xmlns='{namespace}'>{text}</text>")
    };
    format!("<stream:error><{condition} xmlns='{namespace}'/>{text}</stream:error></stream:stream>")
}

fn xml(stanza: Option<Stanza>) -> String {
    stanza.expect("the host is open").to_xml()
}

async fn alice_gets(alice: &User) -> String {
    xml(tokio::time::timeout(Duration::from_secs(5), alice.recv())
        .await
        .expect("no stanza in time"))
}

#[tokio::test]
async fn invalid_header_gets_prosody_stream_error() {
    let header = |attributes: &str| {
        format!("<stream:stream xmlns:stream='http://etherx.jabber.org/streams' {attributes}>")
    };
    let cases = [
        (
            header("xmlns='jabber:component:accept'"),
            EMPTY.to_owned()
                + &error(
                    "improper-addressing",
                    "A &apos;to&apos; attribute is required on stream headers",
                ),
        ),
        (
            header("xmlns='jabber:component:accept' to='ECHO.localhost'"),
            EMPTY.to_owned()
                + &error(
                    "host-unknown",
                    "ECHO.localhost does not match any configured external components",
                ),
        ),
        (
            header("xmlns='jabber:component:accept' to='localhost'"),
            EMPTY.to_owned()
                + &error(
                    "host-unknown",
                    "localhost does not match any configured external components",
                ),
        ),
        (
            header("xmlns='jabber:client' to='echo.localhost'"),
            EMPTY.to_owned() + &error("invalid-namespace", ""),
        ),
        (
            "<foo/>".to_owned(),
            EMPTY.to_owned() + &error("invalid-namespace", ""),
        ),
        (
            "GET / HTTP/1.0\r\n\r\n".to_owned(),
            EMPTY.to_owned() + &error("not-well-formed", ""),
        ),
        (
            "\u{16}\u{3}\u{1}\u{2}".to_owned(),
            EMPTY.to_owned() + &error("not-well-formed", ""),
        ),
    ];
    let host = Host::new("s3cr3t");
    for (opening, wanted) in cases {
        let mut raw = Raw::connect(&host);
        raw.send(&opening).await;
        assert_eq!(raw.rest().await, wanted, "{opening}");
    }
    assert!(host.domains().is_empty());
}

#[tokio::test]
async fn handshake_digest_is_verified() {
    let host = Host::builder()
        .component("echo.localhost", "s3cr3t")
        .build();
    let wrong = error(
        "not-authorized",
        "Given token does not match calculated token",
    );
    let mut raw = Raw::connect(&host);
    let answer = raw.shake("other").await;
    assert_eq!(answer + &raw.rest().await, wrong);
    for bad in [
        "<handshake/>",
        "<handshake> 8d11d8acfbc42fed8167026543606e14b7074de0</handshake>",
    ] {
        let mut raw = Raw::connect(&host);
        raw.send(HEADER).await;
        raw.until('>', 2).await;
        raw.send(bad).await;
        assert_eq!(raw.rest().await, wrong, "{bad}");
    }
    let mut raw = Raw::connect(&host);
    assert_eq!(raw.shake("s3cr3t").await, "<handshake/>");
    assert_eq!(host.domains(), ["echo.localhost"]);
    raw.send("</stream:stream>").await;
    assert_eq!(raw.rest().await, "</stream:stream>");
    host.unmounted("echo.localhost").await;
}

#[tokio::test(start_paused = true)]
async fn idle_opening_times_out() {
    let host = Host::new("s3cr3t");
    let raw = Raw::connect(&host);
    assert_eq!(
        raw.rest().await,
        EMPTY.to_owned() + &error("connection-timeout", "Idle connection")
    );
}

#[tokio::test]
async fn second_component_causes_conflict() {
    let host = Host::new("s3cr3t");
    let _first = Raw::mounted(&host).await;
    let mut second = Raw::connect(&host);
    let answer = second.shake("s3cr3t").await;
    assert_eq!(
        answer + &second.rest().await,
        error("conflict", "Component already connected")
    );

    let host = Host::builder()
        .secret("s3cr3t")
        .on_conflict(OnConflict::KickOld)
        .build();
    let first = Raw::mounted(&host).await;
    let _second = Raw::mounted(&host).await;
    assert_eq!(
        first.rest().await,
        error("conflict", "Replaced by a new connection")
    );
    assert_eq!(host.domains(), ["echo.localhost"]);
}

#[tokio::test]
async fn shared_domain_is_served_round_robin() {
    let host = Host::builder()
        .secret("s3cr3t")
        .on_conflict(OnConflict::Share)
        .build();
    let mut first = Raw::mounted(&host).await;
    let mut second = Raw::mounted(&host).await;
    let alice = host.user("alice@localhost/a").unwrap();
    for id in 0..4 {
        alice
            .send(format!("<presence to='echo.localhost' id='{id}'/>"))
            .await
            .unwrap();
    }
    let presence =
        |id: u8| format!("<presence from='alice@localhost/a' to='echo.localhost' id='{id}'/>");
    assert_eq!(first.until('>', 2).await, presence(0) + &presence(2));
    assert_eq!(second.until('>', 2).await, presence(1) + &presence(3));
}

#[tokio::test]
async fn component_stanzas_are_validated() {
    let foreign = "Component tried to send from address &lt;eve@localhost&gt; which is not in \
        domain &lt;echo.localhost&gt;";
    let too_large = format!(
        "<message from='echo.localhost' to='alice@localhost'><body>{}</body></message>",
        "x".repeat(524_288)
    );
    let cases = [
        (
            "<message from='eve@localhost' to='alice@localhost'/>",
            error("invalid-from", foreign),
        ),
        (
            "<foo xmlns='urn:foo'/>",
            error("unsupported-stanza-type", ""),
        ),
        ("<handshake/>", error("unsupported-stanza-type", "")),
        (
            "<message><body>&nbsp;</body></message>",
            error("not-well-formed", ""),
        ),
        ("<!-- hi -->", error("not-well-formed", "")),
        (&too_large, error("not-well-formed", "")),
        (
            "<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
            "</stream:stream>".to_owned(),
        ),
    ];
    for (sent, wanted) in cases {
        let host = Host::new("s3cr3t");
        let mut raw = Raw::mounted(&host).await;
        raw.send(sent).await;
        assert_eq!(raw.rest().await, wanted, "{}", &sent[..40.min(sent.len())]);
    }

    let host = Host::new("s3cr3t");
    let mut raw = Raw::mounted(&host).await;
    raw.send("<message from='echo.localhost' id='1'><body>x</body></message>")
        .await;
    let reply = "<message to='echo.localhost' id='1' type='error'><error type='modify'>\
        <bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' \
        xml:lang='en'>Components MUST specify a &apos;to&apos; address on \
        stanzas</text></error></message>";
    assert_eq!(
        raw.until('>', 7).await.replace('\'', "\""),
        reply.replace("&apos;", "'").replace('\'', "\"")
    );
    raw.send("<iq from='echo.localhost' to='alice@localhost' type='weird' id='2'/>")
        .await;
    let reply = "<iq from='alice@localhost' to='echo.localhost' id='2' type='error'><error \
        type='modify'>\
        <bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
    assert_eq!(raw.until('>', 5).await, reply);
}

#[tokio::test]
async fn offline_component_bounces_requests() {
    let host = Host::new("s3cr3t");
    let alice = host.user("alice@localhost/a").unwrap();
    let error = "<error type='wait' by='echo.localhost'><remote-server-timeout \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
        <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>Component \
        unavailable</text>\
        <not-connected xmlns='xmpp:prosody.im/protocol/component'/></error>";
    for (sent, name) in [
        (
            "<message to='bot@echo.localhost' id='1'><body>hi</body></message>",
            "message",
        ),
        (
            "<presence to='bot@echo.localhost' id='1' type='unavailable'/>",
            "presence",
        ),
        (
            "<iq to='bot@echo.localhost' id='1' type='get'><x xmlns='urn:x'/></iq>",
            "iq",
        ),
        ("<iq to='bot@echo.localhost' id='1' type='weird'/>", "iq"),
    ] {
        alice.send(sent).await.unwrap();
        let wanted = format!(
            "<{name} from='bot@echo.localhost' to='alice@localhost/a' id='1' \
            type='error'>{error}</{name}>"
        );
        assert_eq!(alice_gets(&alice).await, wanted);
    }
    alice
        .send("<iq to='bot@echo.localhost' id='1' type='result'/>")
        .await
        .unwrap();
    assert_eq!((alice.waiting(), host.dropped()), (0, 1));
}

#[tokio::test]
async fn stanzas_are_routed_between_components_and_users() {
    let host = Host::new("s3cr3t");
    let mut echo = Raw::mounted(&host).await;
    let alice = host.user("alice@localhost/a").unwrap();
    let phone = host.user("alice@localhost/phone").unwrap();

    // A self-ping is routed back.
    let ping = "<iq from='echo.localhost/ping' to='echo.localhost/pong' id='1' type='get'><ping \
        xmlns='urn:xmpp:ping'/></iq>";
    echo.send(ping).await;
    assert_eq!(echo.until('>', 3).await, ping);

    // A bare JID addresses every resource, a full JID one.
    echo.send(
        "<message from='echo.localhost' to='alice@localhost' type='chat' \
        id='2'><body>x</body></message>",
    )
    .await;
    echo.send(
        "<message from='echo.localhost' to='alice@localhost/phone' type='chat' \
        id='3'><body>y</body></message>",
    )
    .await;
    assert_eq!(
        alice_gets(&alice).await,
        "<message from='echo.localhost' to='alice@localhost' id='2' \
        type='chat'><body>x</body></message>"
    );
    assert!(
        alice_gets(&phone).await.contains("<body>x</body>")
            && alice_gets(&phone).await.contains("<body>y</body>")
    );
    assert_eq!(alice.waiting(), 0);

    // Offline user, virtual account without replies, unreachable server.
    for (to, condition) in [
        (
            "bob@localhost/r",
            "<error type='cancel'><service-unavailable ",
        ),
        (
            "alice@localhost",
            "<error type='cancel'><service-unavailable ",
        ),
        (
            "bob@example.org",
            "<error type='cancel'><remote-server-not-found ",
        ),
    ] {
        echo.send(&format!(
            "<iq from='echo.localhost' to='{to}' id='4' type='get'><x xmlns='urn:x'/></iq>"
        ))
        .await;
        assert!(echo.until('>', 5).await.contains(condition), "{to}");
    }
}

#[tokio::test]
async fn request_skips_unrelated_stanzas() {
    let host = Host::new("s3cr3t");
    let mut echo = Raw::mounted(&host).await;
    let alice = host.user("alice@localhost/a").unwrap();
    let mallory = host.user("mallory@evil.example").unwrap();
    let request =
        alice.request("<iq to='echo.localhost' type='get' id='7'><x xmlns='urn:x'/></iq>");
    let rest = async {
        echo.until('>', 3).await;
        mallory
            .send("<iq to='alice@localhost/a' type='result' id='7'/>")
            .await
            .unwrap();
        echo.send(
            "<message from='echo.localhost' to='alice@localhost/a'><body>first</body></message>",
        )
        .await;
        echo.send(
            "<iq from='echo.localhost' to='alice@localhost/a' type='result' id='7'><y \
            xmlns='urn:y'/></iq>",
        )
        .await;
    };
    let (answer, ()) = tokio::join!(request, rest);
    assert_eq!(
        answer.unwrap().to_xml(),
        "<iq from='echo.localhost' to='alice@localhost/a' id='7' type='result'><y \
        xmlns='urn:y'/></iq>"
    );
    assert_eq!(
        alice_gets(&alice).await,
        "<iq from='mallory@evil.example/home' to='alice@localhost/a' id='7' type='result'/>"
    );
    assert!(alice_gets(&alice).await.contains("<body>first</body>"));
}

#[tokio::test]
async fn host_answers_ping_and_disco() {
    let host = Host::new("s3cr3t");
    let _echo = Raw::mounted(&host).await;
    let alice = host.user("alice@localhost").unwrap();
    let ask =
        |payload: &str| alice.request(format!("<iq to='localhost' type='get'>{payload}</iq>"));
    assert!(
        ask("<ping xmlns='urn:xmpp:ping'/>")
            .await
            .unwrap()
            .children()
            .is_empty()
    );
    let items = ask("<query xmlns='http://jabber.org/protocol/disco#items'/>")
        .await
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(items.children().as_bytes()),
        "<query xmlns='http://jabber.org/protocol/disco#items'><item jid='echo.localhost'/></query>"
    );
    let info = ask("<query xmlns='http://jabber.org/protocol/disco#info'/>")
        .await
        .unwrap();
    assert!(
        String::from_utf8_lossy(info.children().as_bytes())
            .contains("<identity category='server' type='im'")
    );
    assert!(ask("<x xmlns='urn:x'/>").await.unwrap().kind().is_error());
}

#[tokio::test]
async fn user_address_is_unique() {
    let host = Host::new("s3cr3t");
    let alice = host.user("alice@localhost").unwrap();
    assert_eq!(alice.jid().as_str(), "alice@localhost/home");
    assert!(matches!(
        host.user("alice@localhost"),
        Err(UserError::Taken(_))
    ));
    assert!(matches!(
        host.user("bot@echo.localhost"),
        Err(UserError::Taken(_))
    ));
    assert!(matches!(host.user("localhost"), Err(UserError::Jid(_))));
    assert!(matches!(host.user("@"), Err(UserError::Jid(_))));
    drop(alice);
    host.user("alice@localhost").unwrap();
}

#[tokio::test]
async fn stopped_host_refuses_connections_until_started() {
    let host = Host::new("s3cr3t");
    let address = host.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    let connect = host.connector();
    assert!(connect().await.is_ok());
    let echo = Raw::mounted(&host).await;
    host.stop();
    assert_eq!(echo.rest().await, "");
    assert!(connect().await.is_err());
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    host.start();
    assert!(connect().await.is_ok());
    while tokio::net::TcpStream::connect(address).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn disconnect_ends_stream_as_requested() {
    let host = Host::new("s3cr3t");
    let error = error("policy-violation", "too fast");
    for (how, wanted) in [
        (Disconnect::Silent, ""),
        (Disconnect::Closed, "</stream:stream>"),
        (
            Disconnect::Error {
                condition: "policy-violation".into(),
                text: Some("too fast".into()),
            },
            &error,
        ),
    ] {
        let echo = Raw::mounted(&host).await;
        host.disconnect("echo.localhost", &how);
        assert_eq!(echo.rest().await, wanted);
    }
    let echo = Raw::mounted(&host).await;
    let alice = host.user("alice@localhost").unwrap();
    let (rest, ()) = tokio::join!(echo.rest(), host.close());
    assert_eq!(rest, "</stream:stream>");
    assert!(alice.recv().await.is_none());
    assert!(matches!(
        alice
            .request("<iq to='x.example' type='get'><x xmlns='urn:x'/></iq>")
            .await,
        Err(UserError::Closed)
    ));
}

#[tokio::test]
async fn stalled_component_applies_backpressure() {
    let host = Host::new("s3cr3t");
    let mut echo = Raw::mounted(&host).await;
    let alice = host.user("alice@localhost").unwrap();
    let body = "x".repeat(100_000);
    let flood = async {
        for _ in 0..1000 {
            alice.say("echo.localhost", &body).await.unwrap();
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_millis(300), flood)
            .await
            .is_err()
    );
    // Other recipients are served, and the component's own stanzas are read.
    echo.send(
        "<message from='echo.localhost' to='alice@localhost/home'><body>still \
        here</body></message>",
    )
    .await;
    assert!(alice_gets(&alice).await.contains("still here"));
    // A component's stanzas to itself cannot wait for it to read: they are bounced, and then
    // dropped.
    let own = format!(
        "<message from='echo.localhost' to='echo.localhost' id='1'><body>{body}</body></message>"
    );
    for _ in 0..200 {
        echo.send(&own).await;
    }
    echo.send(
        "<message from='echo.localhost' to='alice@localhost/home'><body>and again</body></message>",
    )
    .await;
    assert!(alice_gets(&alice).await.contains("and again"));
    assert!(host.dropped() > 50, "{}", host.dropped());
}

#[tokio::test]
async fn host_survives_malformed_input() {
    // Malformed bytes, each on a new connection. The framework's reader rejects them.
    let host = Host::new("s3cr3t");
    let alice = host.user("alice@localhost").unwrap();
    for hostile in [
        "</iq>",
        "<iq",
        "\u{0}",
        "<a b='1' b='2'/>",
        "<message to='\u{1F600}@x' from='echo.localhost'/>",
        "&lt;",
    ] {
        let mut raw = Raw::mounted(&host).await;
        raw.send(hostile).await;
        drop(raw);
        host.unmounted("echo.localhost").await;
    }
    let mut echo = Raw::mounted(&host).await;
    alice.say("echo.localhost", "hi").await.unwrap();
    let seen = echo.until('>', 4).await;
    let mut reader = Reader::default();
    reader.buffer().extend_from_slice(HEADER.as_bytes());
    reader.buffer().extend_from_slice(seen.as_bytes());
    reader.next().unwrap();
    assert!(
        matches!(reader.next().unwrap(), Some(Event::Stanza(_))),
        "{seen}"
    );
}
