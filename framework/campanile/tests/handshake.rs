//! Stream opening, byte by byte: what servers send, what they could send, and how it is handled.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::time::Duration;

use campanile::component::{Component, Status};
use campanile::extract::Body;
use campanile::router::Router;
use campanile_testing::{Running, Transcript, TranscriptResult, start};
use tokio::time::Instant;

const DOMAIN: &str = "bot.localhost";
const STREAMS: &str = "xmlns:stream='http://etherx.jabber.org/streams'";
const ACCEPT: &str = "xmlns='jabber:component:accept'";
/// `printf 3BF96D32s3cr3t | sha1sum`
const HANDSHAKE: &str = "<handshake>ba33290100f616a33656a931798d6c9011cfa840</handshake>";
/// Prosody's header if it has not sent one yet: with a version and an empty id.
const EMPTY_ID: &str = "<?xml version='1.0'?><stream:stream \
    xmlns:stream='http://etherx.jabber.org/streams' version='1.0' \
    xmlns='jabber:component:accept' id=''>";

async fn echo(Body(body): Body) -> String {
    body
}

/// The server's side up to the component's header.
fn header() -> Transcript {
    Transcript::new().expect(&format!(
        "<?xml version='1.0'?><stream:stream {ACCEPT} {STREAMS} to='{DOMAIN}'>"
    ))
}

fn open() -> String {
    format!(
        "<?xml version='1.0'?><stream:stream {STREAMS} id='3BF96D32' from='{DOMAIN}' {ACCEPT} \
        xml:lang='en'>"
    )
}

/// The server's side up to the component's handshake.
fn shaken() -> Transcript {
    header().send(&open()).expect(HANDSHAKE)
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

fn run(transcript: Transcript) -> (Running, TranscriptResult) {
    let (connector, played) = Transcript::play([transcript]);
    let builder = Component::builder("BOT.Localhost")
        .connector(connector)
        .secret("s3cr3t")
        .keep_trying();
    (start(builder.router(Router::new().message(echo))), played)
}

#[tokio::test(start_paused = true)]
async fn all_valid_stream_openings_are_accepted() {
    let plain = open();
    let headers = [
        plain.clone(),
        // ejabberd's order of attributes, and Prosody's after another start.
        format!(
            "<?xml version='1.0'?><stream:stream id='3BF96D32' xml:lang='en' {STREAMS} \
            from='{DOMAIN}' {ACCEPT}>"
        ),
        format!(
            "<stream:stream from=\"{DOMAIN}\" xmlns=\"jabber:component:accept\" id=\"3BF96D32\" \
            {STREAMS} >"
        ),
        // Other prefixes, unknown attributes, white space wherever it is allowed.
        format!(
            "<s:stream xmlns:s='http://etherx.jabber.org/streams' id='3BF96D32' {ACCEPT} \
            version='1.0'>"
        ),
        format!(
            "<stream:stream {ACCEPT} {STREAMS} xmlns:db='jabber:server:dialback' db:x='1' to='x' \
            id='3BF96D32'>"
        ),
        format!(
            "\u{FEFF}<?xml version=\"1.0\" encoding='UTF-8' ?>\r\n  <stream:stream\n \
            {ACCEPT}\t{STREAMS}\nid='3BF96D32'>"
        ),
        format!("<stream:stream {ACCEPT} {STREAMS} id='&#x33;BF96D32'>\n \n"),
    ];
    let handshakes = [
        "<handshake/>",
        "<handshake></handshake>",
        "  \n<handshake />\n",
        "<handshake xmlns='jabber:component:accept'/>",
        "<c:handshake xmlns:c='jabber:component:accept'/>",
    ];
    let openings = headers
        .iter()
        .map(|header| (header.as_str(), "<handshake/>"));
    for (server, handshake) in
        openings.chain(handshakes.map(|handshake| (plain.as_str(), handshake)))
    {
        for bytewise in [false, true] {
            let opening = header()
                .send(server)
                .expect(HANDSHAKE)
                .send(handshake)
                .self_ping(DOMAIN)
                .expect_end();
            let (mut bot, played) = run(if bytewise {
                opening.bytewise()
            } else {
                opening
            });
            bot.mounted().await;
            bot.counted(|counters| counters.round_trips == 1).await;
            drop(bot.ended());
            drop(bot);
            played.done().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stanzas_in_the_segment_of_the_handshake_are_handled() {
    let message =
        "<message from='a@x' to='bot.localhost' id='1' type='chat'><body>early</body></message>";
    let answer =
        "<message from='bot.localhost' to='a@x' id='1' type='chat'><body>early</body></message>";
    let ping = "<iq type='get' id='{ping}' from='bot.localhost/ping' to='bot.localhost/pong'>\
        <ping xmlns='urn:xmpp:ping'/></iq>";
    let opening = shaken()
        .send("<handshake/>")
        .send(message)
        .send(&message[..20]);
    let opening = opening
        .expect(ping)
        .expect(answer)
        .send(&message[20..])
        .expect(answer);
    let (_bot, played) = run(opening);
    played.done().await;
}

/// A rejected connection attempt: whether only a configuration change helps, how soon it is
/// retried, and its message.
struct Refusal {
    name: &'static str,
    server: Transcript,
    refused: bool,
    slow: bool,
    /// Expected fragments of the message, separated by bars.
    words: &'static str,
}

fn refusals() -> Vec<Refusal> {
    let row = |name, server, refused, slow, words| Refusal {
        name,
        server,
        refused,
        slow,
        words,
    };
    let in_header = |error: String| header().send(EMPTY_ID).send(&error).expect_end();
    let behind_header = |error: String| {
        header()
            .send(&open())
            .send(&error)
            .expect(HANDSHAKE)
            .expect_end()
    };
    let token = "Given token does not match calculated token";
    let unknown = "bot.localhost does not match any configured external components";
    vec![
        row(
            "Prosody: wrong secret",
            shaken().send(&error("not-authorized", token)),
            true,
            true,
            "not-authorized|Given token does not match|the secret is \
            wrong|component_secret|ejabberd",
        ),
        row(
            "ejabberd: wrong secret or unknown domain",
            shaken().send(&error("not-authorized", "")),
            true,
            true,
            "the secret is wrong, or, on ejabberd|`hosts`",
        ),
        row(
            "Prosody: unknown domain",
            in_header(error("host-unknown", unknown)),
            true,
            true,
            "host-unknown|Component \"bot.localhost\"|host:activate",
        ),
        row(
            "ejabberd: virtual host",
            behind_header(error("conflict", "Unable to register route")),
            false,
            true,
            "conflict|virtual host",
        ),
        row(
            "ejabberd: virtual host, closed before the handshake",
            header().send(&(open() + &error("conflict", "Unable to register route"))),
            false,
            true,
            "conflict|virtual host",
        ),
        row(
            "Prosody: taken",
            shaken().send(&error("conflict", "Component already connected")),
            false,
            true,
            "conflict|another connection is mounted on bot.localhost|kick_old",
        ),
        row(
            "Prosody: no to",
            in_header(error("improper-addressing", "A &apos;to&apos;")),
            true,
            true,
            "improper-addressing|A 'to'",
        ),
        row(
            "ejabberd: bad to",
            behind_header(error("improper-addressing", "Improper")),
            true,
            true,
            "component port",
        ),
        row(
            "a port for clients",
            behind_header(error("invalid-namespace", "")),
            true,
            true,
            "invalid-namespace|component port",
        ),
        row(
            "Openfire: no secret",
            in_header(error("internal-server-error", "")),
            false,
            false,
            "internal-server-error",
        ),
        row(
            "shutting down",
            shaken().send(&error("system-shutdown", "")),
            false,
            false,
            "system-shutdown",
        ),
        row(
            "unknown condition",
            shaken().send(&error("out-of-tea", "\u{85}[31m\nred\u{202e}")),
            false,
            false,
            "out-of-tea|\\u{85}[31m\\nred\\u{202e}",
        ),
        row(
            "a header of clients",
            header().send(&open().replace("component:accept", "client")),
            false,
            false,
            "check that this is its component port",
        ),
        row(
            "a header without id",
            header().send(&open().replace(" id='3BF96D32'", "")).hold(),
            false,
            false,
            "no stream header",
        ),
        row(
            "TLS",
            Transcript::new().send_bytes([0x15, 3, 1, 0, 2, 2, 0x46]),
            false,
            false,
            "does it expect TLS",
        ),
        row(
            "HTTP",
            Transcript::new().send("HTTP/1.1 400 Bad Request\r\n\r\n"),
            false,
            false,
            "no XMPP stream",
        ),
        row(
            "not a stream",
            Transcript::new().send("<html><body/></html>"),
            false,
            false,
            "no XMPP stream",
        ),
        row(
            "end at once",
            Transcript::new(),
            false,
            false,
            "closed the connection",
        ),
        row(
            "end behind the header",
            header().send(&open()),
            false,
            false,
            "closed the connection",
        ),
        row(
            "end behind the handshake",
            shaken(),
            false,
            false,
            "closed the connection",
        ),
        row(
            "half a header",
            header().send("<stream:stream xmlns='jab"),
            false,
            false,
            "closed the connection",
        ),
        row(
            "closing tag",
            shaken().send("</stream:stream>").hold(),
            false,
            false,
            "closed the connection",
        ),
        row("silence", header().hold(), false, false, "no stream header"),
        row(
            "silence behind the handshake",
            shaken().hold(),
            false,
            false,
            "did not answer the handshake",
        ),
        row(
            "endless white space",
            shaken()
                .send(" ")
                .wait(Duration::from_secs(9))
                .send(" ")
                .hold(),
            false,
            false,
            "did not answer the handshake",
        ),
        row(
            "a stanza first",
            shaken().send("<message from='a@x' to='bot.localhost'/>"),
            false,
            false,
            "before it answered",
        ),
        row(
            "something else",
            shaken().send("<features/>"),
            false,
            false,
            "neither a handshake nor an error",
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn rejections_are_classified_and_described() {
    for Refusal {
        name,
        server,
        refused: wanted,
        slow,
        words,
    } in refusals()
    {
        let began = Instant::now();
        let (bot, _played) = run(server);
        let status = bot
            .until(|status| matches!(status, Status::Waiting { .. }))
            .await;
        let Status::Waiting {
            why,
            retry,
            refused,
            ..
        } = status
        else {
            unreachable!()
        };
        assert_eq!(refused, wanted, "{name}: {why}");
        let (shortest, longest) = if slow { (6, 60) } else { (0, 1) };
        assert!(
            retry >= Duration::from_secs(shortest) && retry <= Duration::from_secs(longest),
            "{name}: {retry:?}"
        );
        for word in words.split('|') {
            assert!(why.contains(word), "{name}: {word:?} is not in {why:?}");
        }
        assert!(why.starts_with("the server"), "{name}: {why:?}");
        assert!(!why.contains(['\u{85}', '\u{202e}']), "{name}: {why:?}");
        assert!(
            began.elapsed() <= Duration::from_secs(30),
            "{name}: {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn rejected_component_ends_unless_keep_trying_is_set() {
    for Refusal {
        name,
        server,
        refused,
        ..
    } in refusals()
    {
        let (connector, _played) = Transcript::play([server]);
        let builder = Component::builder(DOMAIN)
            .connector(connector)
            .secret("s3cr3t")
            .router(Router::new());
        let mut bot = start(builder);
        if refused {
            let error = bot.ended().await.unwrap_err();
            // As `main` prints it: the reason once, without the names of fields.
            assert_eq!(format!("{error:?}"), error.to_string(), "{name}");
            assert!(error.link_error().is_some(), "{name}");
            assert_eq!(bot.status(), Status::Ended, "{name}");
        } else {
            bot.until(|status| matches!(status, Status::Waiting { .. }))
                .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn component_that_was_connected_keeps_trying_when_rejected() {
    let (connector, mut played) = Transcript::play([
        Transcript::opening(DOMAIN),
        shaken().send(&error("not-authorized", "")),
        Transcript::opening(DOMAIN),
    ]);
    let bot = start(
        Component::builder(DOMAIN)
            .connector(connector)
            .secret("s3cr3t")
            .router(Router::new()),
    );
    played.next().await;
    played.next().await;
    bot.until(|status| matches!(status, Status::Waiting { refused: true, .. }))
        .await;
    played.next().await;
}

#[tokio::test(start_paused = true)]
async fn same_error_three_times_a_minute_is_retried_more_slowly() {
    let complaint = || shaken().send(&error("undefined-condition", ""));
    let (connector, _played) = Transcript::play([complaint(), complaint(), complaint()]);
    let bot = start(
        Component::builder(DOMAIN)
            .connector(connector)
            .secret("s3cr3t")
            .router(Router::new()),
    );
    let mut waits = 0;
    let slow = bot.until(|status| match status {
        Status::Waiting { retry, .. } => {
            waits += 1;
            *retry > Duration::from_secs(5)
        }
        _ => false,
    });
    slow.await;
    assert!(waits <= 3, "{waits}");
}

#[tokio::test]
async fn refused_tcp_connection_names_the_port() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let bot = start(
        Component::builder(DOMAIN)
            .server(port.to_string())
            .secret("s3cr3t")
            .router(Router::new()),
    );
    let status = bot
        .until(|status| matches!(status, Status::Waiting { .. }))
        .await;
    let Status::Waiting { why, refused, .. } = status else {
        unreachable!()
    };
    assert!(
        why.contains(&format!("nothing listens at {port}")) && !refused,
        "{why}"
    );
}
