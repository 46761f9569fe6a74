//! Tests of XMPP clients on the embedded host: login, rosters, subscriptions, presence.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use campanile::component::Component;
use campanile::extract::Body;
use campanile::router::Router;
use campanile::stanza::Stanza;
use campanile_stanza::reader::{Event, Reader};
use campanile_testing::host::Host;
use campanile_testing::{Running, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const HEADER: &str = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' \
    xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams'>";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

/// A minimal client.
struct Client {
    socket: TcpStream,
    reader: Reader,
    jid: String,
}

impl Client {
    async fn connect(host: &Host) -> Self {
        let address = host
            .listen_for_clients(([127, 0, 0, 1], 0).into())
            .await
            .unwrap();
        let socket = TcpStream::connect(address).await.unwrap();
        let mut client = Self {
            socket,
            reader: Reader::default(),
            jid: String::new(),
        };
        client.begin().await;
        client
    }

    async fn login(host: &Host, user: &str, resource: &str) -> Self {
        let mut client = Self::connect(host).await;
        client.send(&plain(user, user)).await;
        let Event::Element(success) = client.event().await.unwrap() else {
            panic!("no element")
        };
        assert_eq!(success.name, "success");
        client.begin().await;
        let bind = "<iq type='set' id='bind'><bind \
            xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>R</resource></bind></iq>";
        client.send(&bind.replace('R', resource)).await;
        let bound = client.next().await;
        client.jid = bound
            .children()
            .first()
            .unwrap()
            .element()
            .unwrap()
            .children()
            .next()
            .unwrap()
            .text();
        client
    }

    /// Logs in, requests the roster, and sends initial presence.
    async fn online(host: &Host, user: &str, resource: &str) -> Self {
        let mut client = Self::login(host, user, resource).await;
        client
            .send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
            .await;
        assert!(client.next().await.to_xml().contains("type='result'"));
        client.send("<presence/>").await;
        let own = client.next().await;
        assert_eq!(
            (own.from().unwrap().as_str(), own.kind().type_str()),
            (client.jid.as_str(), "")
        );
        client
    }

    /// Opens a stream and reads the features.
    async fn begin(&mut self) {
        self.reader = Reader::default();
        self.send(HEADER).await;
        assert!(matches!(self.event().await, Some(Event::Open(_))));
        let Some(Event::Element(features)) = self.event().await else {
            panic!("no features");
        };
        assert_eq!(features.name, "features");
    }

    async fn send(&mut self, xml: &str) {
        self.socket.write_all(xml.as_bytes()).await.unwrap();
    }

    async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.reader.next().unwrap() {
                return Some(event);
            }
            let read = timeout(
                Duration::from_secs(20),
                self.socket.read_buf(self.reader.buffer()),
            )
            .await;
            if read.expect("input in time").unwrap() == 0 {
                return None;
            }
        }
    }

    async fn next(&mut self) -> Stanza {
        match self.event().await {
            Some(Event::Stanza(stanza)) => stanza,
            other => panic!("{}: no stanza: {other:?}", self.jid),
        }
    }

    /// Expects the next stanza. `ID` matches any id, `ME` is the client's JID.
    async fn expect(&mut self, wanted: &str) {
        let seen = self.next().await;
        let id = seen.id().unwrap_or_default().to_owned();
        assert_eq!(
            seen.to_xml(),
            wanted.replace("ID", &id).replace("ME", &self.jid)
        );
    }

    /// Expects a stream error with this condition, and the end of the stream.
    async fn expect_end(&mut self, condition: &str) {
        let Some(Event::Element(error)) = self.event().await else {
            panic!("no stream error")
        };
        assert_eq!(error.children.first().unwrap().name(), condition);
        assert!(matches!(self.event().await, Some(Event::Close)));
    }

    /// Expects no further stanza: the response to a ping arrives next.
    async fn expect_nothing(&mut self) {
        self.send("<iq type='get' to='localhost' id='last'><ping xmlns='urn:xmpp:ping'/></iq>")
            .await;
        self.expect("<iq from='localhost' to='ME' id='last' type='result'/>")
            .await;
    }
}

fn plain(user: &str, password: &str) -> String {
    let message = BASE64.encode(format!("\0{user}\0{password}"));
    format!("<auth xmlns='{SASL}' mechanism='PLAIN'>{message}</auth>")
}

fn host() -> Host {
    Host::builder()
        .secret("s3cr3t")
        .account("alice", "alice")
        .account("bob", "bob")
        .build()
}

async fn bot(host: &Host) -> Running {
    let echo = async |Body(body): Body| body;
    let router = Router::new().message(echo);
    let bot = start(
        Component::builder("bot.localhost")
            .connector(host.connector())
            .secret("s3cr3t")
            .router(router),
    );
    bot.mounted().await;
    bot
}

// Login.

#[tokio::test]
async fn client_logs_in_and_messages_component() {
    let host = host();
    let _bot = bot(&host).await;
    let mut alice = Client::login(&host, "alice", "desk").await;
    assert_eq!(alice.jid, "alice@localhost/desk");
    // RFC 3921 §3.
    alice
        .send("<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>")
        .await;
    alice.expect("<iq to='ME' id='s' type='result'/>").await;
    alice
        .send("<message to='bot.localhost' id='1' type='chat'><body>hi</body></message>")
        .await;
    alice
        .expect(
            "<message from='bot.localhost' to='ME' id='1' type='chat'><body>hi</body></message>",
        )
        .await;
    alice
        .send(
            "<iq type='get' to='localhost' id='2'><query \
            xmlns='http://jabber.org/protocol/disco#items'/></iq>",
        )
        .await;
    alice
        .expect(
            "<iq from='localhost' to='ME' id='2' type='result'>\
             <query xmlns='http://jabber.org/protocol/disco#items'><item \
             jid='bot.localhost'/></query></iq>",
        )
        .await;
    for payload in [
        "<vCard xmlns='vcard-temp'/>",
        "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>",
    ] {
        alice
            .send(&format!("<iq type='get' id='3'>{payload}</iq>"))
            .await;
        alice
            .expect(&format!("<iq to='ME' id='3' type='result'>{payload}</iq>"))
            .await;
    }
    alice
        .send("<iq type='set' id='4'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        .await;
    assert!(
        alice
            .next()
            .await
            .to_xml()
            .contains("<service-unavailable ")
    );
    alice.send("</stream:stream>").await;
    assert!(matches!(alice.event().await, Some(Event::Close)));
}

#[tokio::test]
async fn invalid_login_is_rejected() {
    let host = host();
    let mut client = Client::connect(&host).await;
    let failed = async |client: &mut Client, sent: &str, condition: &str| {
        client.send(sent).await;
        let Some(Event::Element(failure)) = client.event().await else {
            panic!("no element")
        };
        assert_eq!(
            (
                failure.name.as_str(),
                failure.children.first().unwrap().name()
            ),
            ("failure", condition),
            "{sent}"
        );
    };
    for (sent, condition) in [
        (plain("alice", "wrong"), "not-authorized"),
        (plain("unknown", "alice"), "not-authorized"),
        (
            format!("<auth xmlns='{SASL}' mechanism='GSSAPI'/>"),
            "invalid-mechanism",
        ),
        (
            format!("<auth xmlns='{SASL}' mechanism='PLAIN'>?</auth>"),
            "incorrect-encoding",
        ),
    ] {
        failed(&mut client, &sent, condition).await;
    }
    // The fifth failure closes the connection.
    failed(
        &mut client,
        &format!("<response xmlns='{SASL}'>YQ==</response>"),
        "malformed-request",
    )
    .await;
    client.expect_end("policy-violation").await;

    for (sent, condition) in [
        (
            "<message to='bot.localhost'><body>hi</body></message>",
            "not-authorized",
        ),
        (
            "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
            "not-authorized",
        ),
        ("<!-- hi -->", "restricted-xml"),
        ("<a></b>", "not-well-formed"),
    ] {
        let mut client = Client::connect(&host).await;
        client.send(sent).await;
        client.expect_end(condition).await;
    }
    for (header, condition) in [
        (HEADER.replace("localhost", "example.org"), "host-unknown"),
        (
            HEADER.replace("jabber:client", "jabber:component:accept"),
            "invalid-namespace",
        ),
    ] {
        let mut client = Client::connect(&host).await;
        client.reader = Reader::default();
        client.socket = TcpStream::connect(client.socket.peer_addr().unwrap())
            .await
            .unwrap();
        client.send(&header).await;
        assert!(matches!(client.event().await, Some(Event::Open(_))));
        client.expect_end(condition).await;
    }
}

#[tokio::test]
async fn forged_sender_closes_stream() {
    let host = host();
    let mut alice = Client::login(&host, "alice", "desk").await;
    alice
        .send("<message from='bob@localhost' to='bob@localhost'><body>hi</body></message>")
        .await;
    alice.expect_end("invalid-from").await;
}

#[tokio::test]
async fn newest_client_takes_over_resource() {
    let host = host();
    let mut first = Client::online(&host, "alice", "desk").await;
    let second = Client::login(&host, "alice", "desk").await;
    assert_eq!(second.jid, "alice@localhost/desk");
    first.expect_end("conflict").await;
    // A virtual user is not replaced.
    let _home = host.user("alice@localhost/home").unwrap();
    let third = Client::login(&host, "alice", "home").await;
    assert!(
        third.jid.starts_with("alice@localhost/") && third.jid != "alice@localhost/home",
        "{}",
        third.jid
    );
}

#[tokio::test]
async fn invalid_stanza_is_answered_and_stream_stays_open() {
    let host = host();
    let mut alice = Client::login(&host, "alice", "desk").await;
    alice
        .send("<iq to='bot.localhost' type='weird' id='1'/>")
        .await;
    assert!(alice.next().await.to_xml().contains("<bad-request "));
    // The component is not connected yet.
    alice
        .send("<message to='bot.localhost' type='chat' id='2'><body>hi</body></message>")
        .await;
    assert!(
        alice
            .next()
            .await
            .to_xml()
            .contains("<remote-server-timeout ")
    );
    alice
        .send("<message to='bob@localhost' type='chat' id='3'><body>hi</body></message>")
        .await;
    assert!(
        alice
            .next()
            .await
            .to_xml()
            .contains("<service-unavailable ")
    );
    alice.expect_nothing().await;
}

// Rosters and presence.

#[tokio::test]
async fn client_subscribes_to_bot_presence() {
    let host = host();
    let _elsewhere = host.user("carol@example.org").unwrap();
    let bot = host.user("bot@example.org/b").unwrap();
    let mut alice = Client::online(&host, "alice", "desk").await;

    alice
        .send(
            "<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='bot@example.org' \
        name='Bot'><group>Bots</group></item></query></iq>",
        )
        .await;
    alice
        .expect(
            "<iq id='ID' type='set'><query xmlns='jabber:iq:roster'>\
             <item jid='bot@example.org' name='Bot'><group>Bots</group></item></query></iq>",
        )
        .await;
    alice.expect("<iq to='ME' id='1' type='result'/>").await;
    alice
        .send("<presence type='subscribe' to='bot@example.org' id='s'/>")
        .await;
    assert!(alice.next().await.to_xml().contains("ask='subscribe'"));
    bot.expect("<presence from='alice@localhost' to='bot@example.org' type='subscribe'/>")
        .await;

    bot.send("<presence type='subscribed' to='alice@localhost'/>")
        .await
        .unwrap();
    alice
        .expect("<presence from='bot@example.org' to='alice@localhost' type='subscribed'/>")
        .await;
    assert!(alice.next().await.to_xml().contains("subscription='to'"));
    bot.send("<presence to='alice@localhost'><status>at work</status></presence>")
        .await
        .unwrap();
    alice
        .expect(
            "<presence from='bot@example.org/b' to='alice@localhost'><status>at \
        work</status></presence>",
        )
        .await;

    // The bot subscribes to alice.
    bot.send("<presence type='subscribe' to='alice@localhost'/>")
        .await
        .unwrap();
    alice
        .expect("<presence from='bot@example.org' to='alice@localhost' type='subscribe'/>")
        .await;
    alice
        .send("<presence type='subscribed' to='bot@example.org'/>")
        .await;
    assert!(alice.next().await.to_xml().contains("subscription='both'"));
    bot.expect("<presence from='alice@localhost' type='subscribed'/>")
        .await;
    bot.expect("<presence from='alice@localhost/desk'/>").await;
    alice.send("<presence><show>away</show></presence>").await;
    bot.expect("<presence from='alice@localhost/desk'><show>away</show></presence>")
        .await;
    alice
        .expect("<presence from='ME' to='alice@localhost'><show>away</show></presence>")
        .await;

    // A probe is answered, and a new client of alice probes the bot.
    bot.send("<presence type='probe' to='alice@localhost'/>")
        .await
        .unwrap();
    bot.expect(
        "<presence from='alice@localhost/desk' to='bot@example.org/b'><show>away</show></presence>",
    )
    .await;
    let mut phone = Client::login(&host, "alice", "phone").await;
    phone
        .send("<presence><priority>-1</priority></presence>")
        .await;
    bot.expect("<presence from='alice@localhost/phone'><priority>-1</priority></presence>")
        .await;
    bot.expect("<presence type='probe' from='alice@localhost/phone'/>")
        .await;
    phone
        .expect("<presence from='ME' to='alice@localhost'><priority>-1</priority></presence>")
        .await;
    phone
        .expect("<presence from='alice@localhost/desk' to='ME'><show>away</show></presence>")
        .await;
    assert!(
        alice
            .next()
            .await
            .to_xml()
            .contains("from='alice@localhost/phone'")
    );
    // A resource with negative priority receives no messages.
    bot.send("<message to='alice@localhost' type='chat'><body>hi</body></message>")
        .await
        .unwrap();
    alice
        .expect(
            "<message from='bot@example.org/b' to='alice@localhost' \
        type='chat'><body>hi</body></message>",
        )
        .await;
    phone.expect_nothing().await;

    // Disconnected without unavailable presence.
    drop(phone);
    bot.expect("<presence type='unavailable' from='alice@localhost/phone'/>")
        .await;
    alice
        .expect("<presence from='alice@localhost/phone' to='alice@localhost' type='unavailable'/>")
        .await;

    // Removing the roster item ends both subscriptions.
    alice
        .send(
            "<iq type='set' id='9'><query xmlns='jabber:iq:roster'><item jid='bot@example.org' \
        subscription='remove'/></query></iq>",
        )
        .await;
    alice
        .expect(
            "<iq id='ID' type='set'><query xmlns='jabber:iq:roster'>\
             <item jid='bot@example.org' subscription='remove'/></query></iq>",
        )
        .await;
    alice.expect("<iq to='ME' id='9' type='result'/>").await;
    bot.expect("<presence type='unsubscribe' from='alice@localhost'/>")
        .await;
    bot.expect("<presence type='unsubscribed' from='alice@localhost'/>")
        .await;
    bot.expect("<presence type='unavailable' from='alice@localhost/desk'/>")
        .await;
    bot.send("<presence type='probe' to='alice@localhost'/>")
        .await
        .unwrap();
    bot.expect("<presence type='unsubscribed' from='alice@localhost'/>")
        .await;
    alice.expect_nothing().await;
}

#[tokio::test]
async fn accounts_exchange_presence() {
    let host = host();
    let mut alice = Client::online(&host, "alice", "desk").await;
    let mut bob = Client::login(&host, "bob", "desk").await;
    alice
        .send("<presence type='subscribe' to='bob@localhost'/>")
        .await;
    assert!(alice.next().await.to_xml().contains("ask='subscribe'"));
    // The request is delivered with Bob's initial presence.
    bob.send("<presence/>").await;
    bob.expect("<presence from='ME' to='bob@localhost'/>").await;
    bob.expect("<presence from='alice@localhost' to='bob@localhost' type='subscribe'/>")
        .await;
    bob.send("<presence type='subscribed' to='alice@localhost'/>")
        .await;
    alice
        .expect("<presence from='bob@localhost' to='alice@localhost' type='subscribed'/>")
        .await;
    assert!(alice.next().await.to_xml().contains("subscription='to'"));
    alice
        .expect("<presence from='bob@localhost/desk' to='alice@localhost'/>")
        .await;
    // A message for a vanished resource is delivered to another one.
    alice
        .send("<message to='bob@localhost/gone' type='chat'><body>hi</body></message>")
        .await;
    bob.expect(
        "<message from='alice@localhost/desk' to='bob@localhost/gone' \
        type='chat'><body>hi</body></message>",
    )
    .await;
    bob.send("<presence type='unavailable'/>").await;
    alice
        .expect("<presence from='bob@localhost/desk' to='alice@localhost' type='unavailable'/>")
        .await;
    bob.expect("<presence from='ME' to='ME' type='unavailable'/>")
        .await;
}

#[tokio::test]
async fn directed_presence_is_withdrawn_on_disconnect() {
    let host = host();
    let room = host.user("room@rooms.example/me").unwrap();
    let mut alice = Client::login(&host, "alice", "desk").await;
    alice.send("<presence to='room@rooms.example/me'/>").await;
    room.expect("<presence from='alice@localhost/desk'/>").await;
    drop(alice);
    room.expect("<presence type='unavailable' from='alice@localhost/desk'/>")
        .await;
}

#[tokio::test]
async fn closing_host_closes_client_streams() {
    let host = host();
    let mut alice = Client::online(&host, "alice", "desk").await;
    let goodbye = async {
        assert!(matches!(alice.event().await, Some(Event::Close)));
        drop(alice);
    };
    tokio::join!(goodbye, host.close());
}

/// A stalled client must not grow the host's memory or delay other clients.
#[tokio::test]
async fn stalled_client_buffer_is_bounded() {
    let host = host();
    let _slow = Client::online(&host, "alice", "desk").await;
    let mut bob = Client::online(&host, "bob", "desk").await;
    let body = "x".repeat(100_000);
    for _ in 0..300 {
        bob.send(&format!(
            "<message to='alice@localhost' type='chat'><body>{body}</body></message>"
        ))
        .await;
    }
    let refused = bob.next().await;
    assert!(
        refused.to_xml().contains("<resource-constraint "),
        "{}",
        refused.to_xml()
    );
}
