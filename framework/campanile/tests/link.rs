//! One open stream: servers that accept nothing, and connections lost at any byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::time::Duration;

use campanile::component::{Component, Status};
use campanile::error::BoxError;
use campanile::extract::Body;
use campanile::inbound::Inbound;
use campanile::limits::Limits;
use campanile::reply::Reply;
use campanile::router::Router;
use campanile::stanza::Stanza;
use campanile_testing::host::Disconnect;
use campanile_testing::{Mounted, Running, digest, mount, start};
use jid::Jid;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep, timeout};
use tower::service_fn;

const BOT: &str = "bot.localhost";

async fn echo(Body(body): Body) -> String {
    body
}

/// The same without a router, so it always completes at its first poll.
async fn back(inbound: Inbound) -> Result<Reply, BoxError> {
    Ok(Reply::Children(inbound.stanza().children().clone()))
}

fn router() -> Router {
    Router::new().message(echo)
}

async fn bot() -> Mounted {
    mount(BOT, |bot| bot.router(router())).await
}

fn message(body: &str) -> Stanza {
    Stanza::chat(Jid::new("alice@localhost/home").unwrap(), body).unwrap()
}

async fn lost(bot: &Running) -> String {
    match bot
        .until(|status| matches!(status, Status::Waiting { .. }))
        .await
    {
        Status::Waiting { why, .. } => why,
        other => unreachable!("{other:?}"),
    }
}

// Lost and fragmented connections.

#[tokio::test(start_paused = true)]
async fn stream_can_arrive_one_byte_at_a_time() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    bot.wire().split(true);
    bot.wire().cut();
    lost(&bot).await;
    bot.mounted().await;
    alice.say(BOT, "one by one, ünïcödé & all").await.unwrap();
    alice
        .expect(
            "<message type='chat' from='bot.localhost'><body>one by one, ünïcödé &amp; \
            all</body></message>",
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn partially_written_stanza_is_resent_completely() {
    let whole = message("x").to_xml().len();
    for cut in [1, 10, whole - 1, whole + 20] {
        let bot = bot().await;
        let alice = bot.user("alice@localhost");
        bot.counted(|counters| counters.round_trips == 1).await;
        bot.wire().cut_after_written(cut);
        bot.client().send(message("the whole of it")).await.unwrap();
        alice
            .expect(
                "<message type='chat' from='bot.localhost'><body>the whole of it</body></message>",
            )
            .await;
        alice.expect_nothing(BOT).await;
        assert_eq!(bot.wire().attempts(), 2, "{cut}");
    }
}

/// So large that the beginning of the stanza has already left the buffer.
#[tokio::test(start_paused = true)]
async fn large_partially_written_stanza_is_resent_completely() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    bot.counted(|counters| counters.round_trips == 1).await;
    let body = "x".repeat(500_000);
    for cut in [300_000, 300, 499_000] {
        bot.wire().cut_after_written(cut);
        let client = bot.client();
        let small = bot.client();
        let (sent, also) = tokio::join!(
            client.send(message(&body)),
            small.send(message("behind it"))
        );
        sent.unwrap();
        also.unwrap();
        alice
            .expect(&format!(
                "<message type='chat'><body>{body}</body></message>"
            ))
            .await;
        alice
            .expect("<message type='chat'><body>behind it</body></message>")
            .await;
    }
    assert_eq!(bot.counters().connected, 4);
}

#[tokio::test(start_paused = true)]
async fn completely_written_stanza_is_not_resent() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    bot.client().send(message("once")).await.unwrap();
    bot.wire().cut();
    lost(&bot).await;
    bot.mounted().await;
    alice
        .expect("<message type='chat'><body>once</body></message>")
        .await;
    alice.expect_nothing(BOT).await;
}

#[tokio::test(start_paused = true)]
async fn connection_closed_within_a_stanza_only_ends_the_connection() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    for half in [
        "<message from='alice@localhost/home' to='bot.localhost' type='chat'><body>ha",
        "<iq",
        "\n ",
    ] {
        bot.host().inject(BOT, half);
        bot.host().disconnect(BOT, &Disconnect::Silent);
        assert!(lost(&bot).await.contains("closed the connection"));
        bot.mounted().await;
    }
    bot.wire().cut_after_read(25);
    alice.say(BOT, "never read to its end").await.unwrap();
    lost(&bot).await;
    bot.mounted().await;
    alice.expect_nothing(BOT).await;
}

#[tokio::test(start_paused = true)]
async fn closing_tag_ends_the_stream_on_an_open_connection() {
    let bot = bot().await;
    bot.host().inject(BOT, "</stream:stream>");
    assert!(lost(&bot).await.contains("closed the connection"));
    bot.host().unmounted(BOT).await;
    bot.mounted().await;
}

#[tokio::test(start_paused = true)]
async fn unknown_elements_are_counted_and_ignored() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    bot.host().inject(
        BOT,
        "295\n<unheard-of xmlns='urn:x'><y/></unheard-of><features/> ",
    );
    bot.host().inject(
        BOT,
        "<message from='alice@localhost' to='elsewhere.localhost'><body>hi</body></message>",
    );
    bot.host().inject(
        BOT,
        "<iq from='@' to='bot.localhost' type='get' id='1'><x xmlns='urn:x'/></iq>",
    );
    alice.expect_nothing(BOT).await;
    let counters = bot.counters();
    assert_eq!(
        (counters.unknown, counters.stray, counters.connected),
        (2, 2, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn invalid_xml_ends_the_stream_with_a_stream_error() {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let mut server = Raw::open(ours, theirs).await;
    server
        .send("<message from='a@x' to='bot.localhost'><body>&nbsp;</body></message>")
        .await;
    let said = server.rest().await;
    let wanted = "<stream:error><not-well-formed \
        xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";
    assert!(said.ends_with(wanted), "{said}");
    assert!(lost(&server.bot).await.contains("not-well-formed"));
}

#[tokio::test(start_paused = true)]
async fn stream_errors_are_reported_and_classified() {
    for (condition, slow, words) in [
        ("conflict", true, "another connection is mounted"),
        ("system-shutdown", false, "system-shutdown"),
        ("policy-violation", false, "a stanza was too large for it"),
        ("invalid-from", false, "it refused the sender"),
    ] {
        let bot = bot().await;
        bot.host().disconnect(
            BOT,
            &Disconnect::Error {
                condition: condition.into(),
                text: Some("so there".into()),
            },
        );
        let status = bot
            .until(|status| matches!(status, Status::Waiting { .. }))
            .await;
        let Status::Waiting { why, retry, .. } = status else {
            unreachable!()
        };
        assert!(why.contains(words) && why.contains("so there"), "{why}");
        assert_eq!(
            retry > Duration::from_secs(1),
            slow,
            "{condition}: {retry:?}"
        );
    }
}

/// A server that closes the socket right after its stream error: writes fail, but the error must be
/// read all the same.
#[tokio::test]
async fn final_stream_error_is_read_after_a_failed_write() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let bot = start(
        Component::builder(BOT)
            .server(address)
            .secret("s3cr3t")
            .router(router()),
    );
    let (mut server, _) = listener.accept().await.unwrap();
    opening(&mut server).await;
    // Enough to fill the socket's buffers, so that a write is in progress.
    let senders: Vec<_> = (0..40).map(|_| bot.client()).collect();
    let senders = senders.into_iter().map(|client| {
        tokio::spawn(async move { client.send(message(&"x".repeat(500_000))).await })
    });
    let senders: Vec<_> = senders.collect();
    server.readable().await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let error = "<stream:error><conflict \
        xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";
    server.write_all(error.as_bytes()).await.unwrap();
    drop(server);
    let why = lost(&bot).await;
    assert!(
        why.contains("another connection is mounted on bot.localhost"),
        "{why}"
    );
    senders.into_iter().for_each(|sender| sender.abort());
}

// Servers that accept nothing.

#[tokio::test(start_paused = true)]
async fn stalled_write_ends_the_connection() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    bot.counted(|counters| counters.round_trips == 1).await;
    bot.wire().block(true);
    let began = Instant::now();
    let client = bot.client();
    let sending = async { message("late") };
    let sending = tokio::spawn(async move { client.send(sending.await).await });
    let why = lost(&bot).await;
    assert!(why.contains("stopped reading from the connection"), "{why}");
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(30) && took <= Duration::from_secs(32),
        "{took:?}"
    );
    assert!(!sending.is_finished());
    bot.wire().block(false);
    alice
        .expect("<message type='chat'><body>late</body></message>")
        .await;
    sending.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn slow_server_is_not_dropped() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    bot.wire().split(true);
    let body = "x".repeat(2000);
    for _ in 0..40 {
        bot.wire().block(true);
        alice.say(BOT, &body).await.unwrap();
        sleep(Duration::from_secs(20)).await;
        bot.wire().block(false);
        alice
            .expect(&format!(
                "<message type='chat'><body>{body}</body></message>"
            ))
            .await;
    }
    assert_eq!(bot.counters().connected, 1);
}

#[tokio::test(start_paused = true)]
async fn reader_pauses_at_the_outbound_limit_and_resumes_at_half() {
    const MARK: usize = 64 * 1024;
    let mut limits = Limits::default();
    limits.outbound = MARK;
    let (ours, theirs) = tokio::io::duplex(512);
    let mut server = Raw::open_with(ours, theirs, limits).await;
    let body = "x".repeat(900);
    let stanza = format!(
        "<message from='a@x' to='bot.localhost' id='1' type='chat'><body>{body}</body></message>"
    );
    let answer = format!(
        "<message from='bot.localhost' to='a@x' id='1' type='chat'><body>{body}</body></message>"
    );
    // It accepts what the pipe holds, what it has already read, and replies up to the limit.
    let mut accepted = 0;
    while timeout(
        Duration::from_secs(1),
        server.io.write_all(stanza.as_bytes()),
    )
    .await
    .is_ok()
    {
        accepted += 1;
    }
    let taken = accepted * stanza.len();
    assert!(taken > MARK && taken < MARK + 40_000, "{taken}");
    // The pipe is full in the middle of a stanza; the write completes only if something is read
    // from it.
    let accepts_more = async |server: &mut Raw| {
        timeout(Duration::from_secs(1), server.io.write_all(b" "))
            .await
            .is_ok()
    };
    server.take(MARK * 4 / 10).await;
    assert!(!accepts_more(&mut server).await);
    server.take(MARK * 2 / 10).await;
    assert!(accepts_more(&mut server).await);
    let rest = server.take(accepted * answer.len() - MARK * 6 / 10).await;
    assert!(rest.ends_with(&answer));
}

/// Mounts a component with a small outbound limit on a blocked wire, which has read this many
/// messages in one segment.
async fn cramped(room: usize, messages: usize) -> Mounted {
    let mut limits = Limits::default();
    (limits.outbound, limits.max_stanza_out) = (room, room);
    let bot = mount(BOT, |bot| bot.service(service_fn(back)).limits(limits)).await;
    bot.counted(|counters| counters.round_trips == 1).await;
    bot.wire().block(true);
    let messages = (0..messages).map(|n| {
        format!(
            "<message from='alice@localhost/home' to='bot.localhost' type='chat' \
            id='{n}'><body>{n}</body></message>"
        )
    });
    bot.host().inject(BOT, &messages.collect::<String>());
    sleep(Duration::from_secs(1)).await;
    bot
}

#[tokio::test(start_paused = true)]
async fn stanzas_read_before_a_pause_are_handled_right_after_it() {
    let bot = cramped(1024, 30).await;
    let alice = bot.user("alice@localhost");
    assert!(bot.counters().taken < 30, "{:?}", bot.counters());
    bot.wire().block(false);
    let began = Instant::now();
    for n in 0..30 {
        alice
            .expect(&format!(
                "<message type='chat' id='{n}'><body>{n}</body></message>"
            ))
            .await;
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn queued_stanzas_are_taken_as_soon_as_there_is_space() {
    let bot = cramped(4096, 15).await;
    let alice = bot.user("alice@localhost");
    let sends = (0..30).map(|_| (bot.client(), message("queued")));
    let sends: Vec<_> = sends
        .map(|(client, stanza)| tokio::spawn(async move { client.send(stanza).await }))
        .collect();
    sleep(Duration::from_secs(1)).await;
    bot.wire().block(false);
    let began = Instant::now();
    for send in sends {
        send.await.unwrap().unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    alice
        .expect_among("<message type='chat'><body>queued</body></message>")
        .await;
}

#[tokio::test(start_paused = true)]
async fn blocked_connection_loses_nothing_and_buffers_little() {
    let bot = mount(BOT, |bot| bot.service(service_fn(back))).await;
    let alice = bot.user("alice@localhost");
    bot.wire().block(true);
    let body = "x".repeat(10_000);
    let flood = async {
        for n in 0..2000 {
            alice.say(BOT, &format!("{n} {body}")).await.unwrap();
        }
    };
    let mut flood = std::pin::pin!(flood);
    assert!(timeout(Duration::from_secs(20), &mut flood).await.is_err());
    // 1 MiB of replies, the pipe, and what the host lets users queue: the rest of 20 MB waits with
    // its sender.
    assert!(bot.counters().taken < 250, "{:?}", bot.counters());
    bot.wire().block(false);
    let began = Instant::now();
    let receive = async {
        for n in 0..2000 {
            let answer = alice.recv().await.unwrap();
            assert!(answer.to_xml().contains(&format!("<body>{n} xxx")), "{n}");
        }
    };
    tokio::join!(flood, receive);
    // The paused clock does not advance while any task is runnable: nothing waited to be woken.
    assert_eq!(
        (
            bot.counters().connected,
            bot.counters().shed,
            began.elapsed()
        ),
        (1, 0, Duration::ZERO)
    );
}

/// A raw byte stream as the server, driven by the test.
struct Raw {
    io: DuplexStream,
    bot: Running,
}

impl Raw {
    async fn open(ours: DuplexStream, theirs: DuplexStream) -> Self {
        Self::open_with(ours, theirs, Limits::default()).await
    }

    /// Acts as the server up to the handshake.
    async fn open_with(mut ours: DuplexStream, theirs: DuplexStream, limits: Limits) -> Self {
        let pipe = std::sync::Mutex::new(Some(theirs));
        let connect = move || {
            let pipe = pipe.lock().unwrap().take();
            std::future::ready(
                pipe.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionRefused)),
            )
        };
        let bot = start(
            Component::builder(BOT)
                .connector(connect)
                .secret("s3cr3t")
                .limits(limits)
                .router(router()),
        );
        opening(&mut ours).await;
        Self { io: ours, bot }
    }

    async fn send(&mut self, xml: &str) {
        self.io.write_all(xml.as_bytes()).await.unwrap();
    }

    async fn take(&mut self, bytes: usize) -> String {
        let mut taken = vec![0; bytes];
        self.io.read_exact(&mut taken).await.unwrap();
        String::from_utf8(taken).unwrap()
    }

    async fn rest(&mut self) -> String {
        let mut text = String::new();
        self.io.read_to_string(&mut text).await.unwrap();
        text
    }
}

/// The server's side of a stream opening, up to the first keepalive ping, which it drops.
async fn opening(io: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) {
    until(io, b"to='bot.localhost'>").await;
    let header = "<stream:stream xmlns='jabber:component:accept' \
        xmlns:stream='http://etherx.jabber.org/streams' id='1'>";
    io.write_all(header.as_bytes()).await.unwrap();
    until(
        io,
        format!("<handshake>{}</handshake>", digest("1", "s3cr3t")).as_bytes(),
    )
    .await;
    io.write_all(b"<handshake/>").await.unwrap();
    until(io, b"</iq>").await;
}

async fn until(io: &mut (impl AsyncReadExt + Unpin), end: &[u8]) {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        read.push(io.read_u8().await.unwrap());
    }
}
