//! Confirmed sending: when a stanza counts as accepted, what is resent, and which error is returned
//! otherwise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile::client::{Client, ConfirmError, Confirmation, SendError};
use campanile::component::{Component, ComponentBuilder, Status};
use campanile::error::{BoxError, StanzaError};
use campanile::extract::Body;
use campanile::limits::Limits;
use campanile::module::Module;
use campanile::reply::Reply;
use campanile::router::Router;
use campanile::stanza::{Kind, PresenceType, Stanza, WriteError};
use campanile_testing::host::{Disconnect, Host, OnConflict, User};
use campanile_testing::{Mounted, Running, Transcript, TranscriptResult, mount, start};
use jid::Jid;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tower::util::MapRequestLayer;

const BOT: &str = "bot.localhost";
const SECOND: Duration = Duration::from_secs(1);

type Sending = JoinHandle<Result<Confirmation, ConfirmError>>;

fn alice() -> Jid {
    Jid::new("alice@localhost/home").unwrap()
}

fn message(id: &str, body: &str) -> Stanza {
    Stanza::chat(alice(), body).unwrap().with_id(id)
}

/// The same message as XML.
fn wire(id: &str) -> String {
    format!(
        "<message from='{BOT}' to='alice@localhost/home' id='{id}' \
        type='chat'><body>{id}</body></message>"
    )
}

fn ping(name: &str) -> String {
    format!(
        "<iq type='get' id='{{{name}}}' from='{BOT}/ping' to='{BOT}/pong'><ping \
        xmlns='urn:xmpp:ping'/></iq>"
    )
}

fn error(condition: &str) -> String {
    format!(
        "<stream:error><{condition} \
        xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
    )
}

fn confirm(client: &Client, id: &str) -> Sending {
    let client = client.clone();
    let message = message(id, id);
    tokio::spawn(async move { client.send_confirmed(message).await })
}

async fn bot(complete: impl FnOnce(ComponentBuilder) -> ComponentBuilder) -> Mounted {
    mount(BOT, |bot| {
        complete(bot.router(Router::new().message(async |Body(body): Body| body)))
    })
    .await
}

async fn bot_with(change: impl FnOnce(&mut Limits)) -> Mounted {
    let mut limits = Limits::default();
    change(&mut limits);
    bot(|bot| bot.limits(limits)).await
}

fn scripted(transcripts: impl IntoIterator<Item = Transcript>) -> (Running, TranscriptResult) {
    let (connector, played) = Transcript::play(transcripts);
    let builder = Component::builder(BOT)
        .connector(connector)
        .secret("s3cr3t")
        .router(Router::new());
    (start(builder), played)
}

/// Counts everything that a user has received, by id.
async fn received(user: &User) -> HashMap<String, usize> {
    let mut ids = HashMap::new();
    while user.waiting() > 0 {
        let stanza = user.recv().await.unwrap();
        *ids.entry(stanza.id().unwrap().to_owned()).or_default() += 1;
    }
    ids
}

// Acceptance.

#[tokio::test(start_paused = true)]
async fn stanza_is_confirmed_when_a_later_ping_comes_back() {
    let server = Transcript::opening(BOT)
        .self_ping(BOT)
        .expect(&wire("m1"))
        .expect(&ping("p"))
        .wait(SECOND * 3)
        .send(&ping("p"))
        .hold();
    let (bot, _played) = scripted([server]);
    bot.counted(|counters| counters.round_trips == 1).await;
    let began = Instant::now();
    let taken = confirm(&bot.client(), "m1").await.unwrap().unwrap();
    assert_eq!((taken.streams, began.elapsed()), (1, SECOND * 3));
    assert_eq!((bot.counters().confirmed, bot.counters().resent), (1, 0));
}

/// The first ping of the stream was written before the stanza and confirms nothing, nor does a ping
/// of another sender.
#[tokio::test(start_paused = true)]
async fn other_pings_do_not_confirm() {
    let stranger = "<iq type='get' id='0123-ping' from='bot.localhost/ping' \
        to='bot.localhost/pong'><ping xmlns='urn:xmpp:ping'/></iq>";
    let forged = "<iq type='get' id='{p}' from='mallory@evil.example/x' \
        to='bot.localhost/pong'><ping xmlns='urn:xmpp:ping'/></iq>";
    let result = "<iq type='result' id='{p}' from='bot.localhost/pong' to='bot.localhost/ping'/>";
    let server = Transcript::opening(BOT)
        .expect(&ping("first"))
        .expect(&wire("m1"))
        .wait(SECOND)
        .send(&ping("first"))
        .expect(&ping("p"))
        .send(stranger)
        .send(stranger)
        .send(forged)
        .send(result)
        .send(&ping("first"))
        .wait(SECOND)
        .send(&ping("p"))
        .hold();
    let (bot, _played) = scripted([server]);
    let began = Instant::now();
    confirm(&bot.client(), "m1").await.unwrap().unwrap();
    assert_eq!(began.elapsed(), SECOND * 2);
}

/// A ping that is routed to another process on the JID is followed by others, and is no sign that
/// the server holds it back.
#[tokio::test(start_paused = true)]
async fn pings_routed_to_other_processes_are_not_flushed_with_white_space() {
    let stranger = "<iq type='get' id='0123-ping' from='bot.localhost/ping' \
        to='bot.localhost/pong'><ping xmlns='urn:xmpp:ping'/></iq>";
    let server = Transcript::opening(BOT)
        .expect(&ping("first"))
        .send(&ping("first"))
        .send(stranger);
    let server = server
        .expect(&ping("known"))
        .send(&ping("known"))
        .expect(&wire("m1"));
    let names: Vec<_> = (0..12).map(|number| format!("p{number}")).collect();
    // Four at once, and four more every two seconds, with nothing in between.
    let server = names
        .iter()
        .fold(server, |server, name| server.expect(&ping(name)));
    let (bot, _played) = scripted([server.send(&ping("p11")).hold()]);
    bot.counted(|counters| counters.round_trips == 2).await;
    let began = Instant::now();
    confirm(&bot.client(), "m1").await.unwrap().unwrap();
    assert!(began.elapsed() < SECOND * 8, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn many_stanzas_share_one_ping() {
    let bot = bot(|bot| bot).await;
    let alice = bot.user("alice@localhost");
    bot.counted(|counters| counters.round_trips == 1).await;
    let sends: Vec<_> = (0..2000)
        .map(|n| confirm(&bot.client(), &format!("m{n}")))
        .collect();
    for send in sends {
        assert_eq!(send.await.unwrap().unwrap().streams, 1);
    }
    assert_eq!(alice.waiting(), 2000);
    assert_eq!(bot.counters().confirmed, 2000);
    assert!(bot.counters().round_trips < 40, "{:?}", bot.counters());
}

#[tokio::test(start_paused = true)]
async fn presence_and_stanzas_without_id_get_one() {
    let bot = bot(|bot| bot).await;
    let alice = bot.user("alice@localhost");
    let presence =
        Stanza::new(Kind::Presence(PresenceType::Available)).with_to(alice.jid().clone());
    bot.client().send_confirmed(presence).await.unwrap();
    assert!(alice.recv().await.unwrap().id().is_some());
}

#[tokio::test(start_paused = true)]
async fn stanza_is_resent_as_modified_by_outbound_layers() {
    let passed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&passed);
    let stamp = MapRequestLayer::new(move |stanza: Stanza| {
        counter.fetch_add(1, Ordering::Relaxed);
        stanza.with_lang("fr")
    });
    let bot = bot(|bot| bot.outbound(stamp)).await;
    let alice = bot.user("alice@localhost");
    bot.counted(|counters| counters.round_trips == 1).await;
    bot.wire().silence(true);
    let sending = confirm(&bot.client(), "m1");
    alice
        .expect("<message type='chat' id='m1' xml:lang='fr'><body>m1</body></message>")
        .await;
    bot.wire().cut();
    bot.wire().silence(false);
    assert_eq!(sending.await.unwrap().unwrap().streams, 2);
    alice
        .expect("<message type='chat' id='m1' xml:lang='fr'><body>m1</body></message>")
        .await;
    assert_eq!(passed.load(Ordering::Relaxed), 1);
}

// Lost connections.

/// Two confirmed stanzas with a reply and a plain message in between; the connection is lost after
/// each byte of them, in either direction.
#[tokio::test(start_paused = true)]
async fn confirmed_stanzas_arrive_wherever_the_connection_is_lost() {
    let cuts = (0..700).map(|n| (n, 0)).chain((0..400).map(|n| (0, n)));
    let mut again = HashSet::new();
    for (written, read) in cuts {
        let bot = bot(|bot| bot).await;
        let alice = bot.user("alice@localhost");
        let bob = bot.user("bob@localhost");
        bot.counted(|counters| counters.round_trips == 1).await;
        if written > 0 {
            bot.wire().cut_after_written(written);
        }
        if read > 0 {
            bot.wire().cut_after_read(read);
        }
        let first = confirm(&bot.client(), "first");
        let second = confirm(&bot.client(), "second");
        let plain = bot.client();
        let plain = tokio::spawn(async move { plain.send(message("plain", "plain")).await });
        bob.say(BOT, "hello").await.unwrap();
        let first = first.await.unwrap().unwrap();
        let second = second.await.unwrap().unwrap();
        plain.await.unwrap().unwrap();
        let got = received(&alice).await;
        for (id, taken) in [("first", first), ("second", second)] {
            let times = got.get(id).copied().unwrap_or_default();
            let most = usize::try_from(taken.streams).unwrap();
            assert!(
                times >= 1 && times <= most,
                "cut {written}/{read}: {id} came {times} times, {taken:?}"
            );
            again.insert((id, most));
        }
        assert!(
            got.get("plain").copied().unwrap_or_default() <= 1,
            "cut {written}/{read}: {got:?}"
        );
    }
    // Some cuts came too late to have an effect, others did not.
    assert_eq!(
        again,
        HashSet::from([("first", 1), ("first", 2), ("second", 1), ("second", 2)])
    );
}

/// A server that restarts continuously while stanzas are sent continuously.
#[tokio::test(start_paused = true)]
async fn awaited_stanzas_arrive_through_two_hundred_restarts() {
    let bot = bot_with(|limits| {
        limits.back_off = (Duration::from_millis(10), Duration::from_millis(100));
    })
    .await;
    let alice = bot.user("alice@localhost");
    let stop = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..20)
        .map(|sender| {
            let client = bot.client();
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut sent = Vec::new();
                while stop.load(Ordering::Relaxed) == 0 {
                    let id = format!("s{sender}-{}", sent.len());
                    client
                        .send_confirmed(message(&id, &"x".repeat(200)))
                        .await
                        .unwrap();
                    sent.push(id);
                    // A delay that differs each time.
                    sleep(Duration::from_micros(100 * (1 + sender))).await;
                }
                sent
            })
        })
        .collect();
    let mut order: HashMap<String, Vec<usize>> = HashMap::new();
    let mut got: HashMap<String, usize> = HashMap::new();
    for round in 0..200u64 {
        sleep(Duration::from_micros(1000 + round * 37 % 2000)).await;
        bot.host().stop();
        bot.until(|status| matches!(status, Status::Waiting { .. }))
            .await;
        bot.host().start();
        bot.mounted().await;
        while alice.waiting() > 0 {
            let id = alice.recv().await.unwrap().id().unwrap().to_owned();
            let (sender, number) = id.split_once('-').unwrap();
            let first = !got.contains_key(&id);
            if first {
                order
                    .entry(sender.to_owned())
                    .or_default()
                    .push(number.parse().unwrap());
            }
            *got.entry(id).or_default() += 1;
        }
    }
    stop.store(1, Ordering::Relaxed);
    let mut sent = Vec::new();
    for sender in senders {
        sent.extend(sender.await.unwrap());
    }
    for (id, times) in received(&alice).await {
        *got.entry(id).or_default() += times;
    }
    let lost: Vec<_> = sent.iter().filter(|id| !got.contains_key(*id)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} are lost: {lost:?}",
        lost.len(),
        sent.len()
    );
    assert!(
        order.values().all(|numbers| numbers.is_sorted()),
        "what one sender sent is in its order"
    );
    let counters = bot.counters();
    assert_eq!(
        (counters.connected, counters.confirmed),
        (201, sent.len() as u64)
    );
    assert!(counters.resent > 0 && sent.len() > 1000, "{counters:?}");
    println!(
        "{} stanzas over 201 streams, {} written again",
        sent.len(),
        counters.resent
    );
}

#[tokio::test(start_paused = true)]
async fn stanzas_sent_while_disconnected_keep_their_order() {
    let bot = bot(|bot| bot).await;
    let alice = bot.user("alice@localhost");
    bot.counted(|counters| counters.round_trips == 1).await;
    bot.wire().silence(true);
    let mut sends: Vec<_> = Vec::new();
    for n in 0..3 {
        sends.push(confirm(&bot.client(), &format!("{n}")));
        alice
            .expect(&format!(
                "<message type='chat' id='{n}'><body>{n}</body></message>"
            ))
            .await;
    }
    bot.host().stop();
    bot.until(|status| matches!(status, Status::Waiting { .. }))
        .await;
    sends.push(confirm(&bot.client(), "3"));
    tokio::task::yield_now().await;
    let plain = bot.client();
    let plain = tokio::spawn(async move { plain.send(message("4", "4")).await });
    tokio::task::yield_now().await;
    sends.push(confirm(&bot.client(), "5"));
    bot.wire().silence(false);
    bot.host().start();
    for n in 0..6 {
        alice
            .expect(&format!(
                "<message type='chat' id='{n}'><body>{n}</body></message>"
            ))
            .await;
    }
    plain.await.unwrap().unwrap();
    let mut streams = Vec::new();
    for send in sends {
        streams.push(send.await.unwrap().unwrap().streams);
    }
    assert_eq!(streams, [2, 2, 2, 1, 1]);
    assert_eq!(bot.counters().resent, 3);
}

/// Several processes on one domain of ejabberd: a ping is routed to any of them, and only the own
/// one confirms.
#[tokio::test(start_paused = true)]
async fn processes_sharing_a_domain_confirm_their_own_stanzas() {
    let host = Host::builder()
        .secret("s3cr3t")
        .on_conflict(OnConflict::Share)
        .build();
    let process = || {
        start(
            Component::builder(BOT)
                .connector(host.connector())
                .secret("s3cr3t")
                .router(Router::new()),
        )
    };
    let processes = [process(), process(), process()];
    // They detect each other.
    sleep(SECOND * 300).await;
    let alice = host.user("alice@localhost").unwrap();
    let began = Instant::now();
    for n in 0..30 {
        for (process, bot) in processes.iter().enumerate() {
            confirm(&bot.client(), &format!("{process}-{n}"))
                .await
                .unwrap()
                .unwrap();
        }
    }
    assert_eq!(received(&alice).await.len(), 90);
    // Stanzas go to each process in turn, so most pings are routed to another one, and each of
    // these costs two seconds.
    let took = began.elapsed() / 90;
    assert!(took <= SECOND * 10, "{took:?}");
}

// Errors.

#[tokio::test(start_paused = true)]
async fn timeout_error_tells_whether_the_stanza_was_sent() {
    let bot = bot_with(|limits| limits.unconfirmed_age = SECOND * 10).await;
    let alice = bot.user("alice@localhost");
    bot.counted(|counters| counters.round_trips == 1).await;
    bot.wire().silence(true);
    let began = Instant::now();
    let unknown = confirm(&bot.client(), "unknown").await.unwrap();
    assert!(matches!(unknown, Err(ConfirmError::Unknown)), "{unknown:?}");
    assert_eq!(began.elapsed(), SECOND * 10);
    bot.host().stop();
    bot.until(|status| matches!(status, Status::Waiting { .. }))
        .await;
    let expired = bot
        .client()
        .send_confirmed_within(message("expired", "x"), SECOND)
        .await;
    assert!(matches!(expired, Err(ConfirmError::Expired)), "{expired:?}");
    bot.wire().silence(false);
    bot.host().start();
    bot.mounted().await;
    bot.counted(|counters| counters.round_trips == 2).await;
    // Neither of them is sent now.
    assert_eq!(
        received(&alice).await,
        HashMap::from([("unknown".to_owned(), 1)])
    );
    assert_eq!((bot.counters().resent, bot.counters().confirmed), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn abandoned_stanza_is_not_resent() {
    let bot = bot(|bot| bot).await;
    let alice = bot.user("alice@localhost");
    bot.counted(|counters| counters.round_trips == 1).await;
    bot.wire().silence(true);
    let sending = confirm(&bot.client(), "m1");
    alice
        .expect("<message type='chat' id='m1'><body>m1</body></message>")
        .await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    bot.wire().silence(false);
    bot.wire().cut();
    bot.until(|status| matches!(status, Status::Waiting { .. }))
        .await;
    bot.until(Status::is_ready).await;
    alice.expect_nothing(BOT).await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_error_tells_whether_the_stanza_was_sent() {
    let mut bot = bot(|bot| bot).await;
    let _alice = bot.user("alice@localhost");
    bot.counted(|counters| counters.round_trips == 1).await;
    bot.wire().silence(true);
    let written = confirm(&bot.client(), "written");
    bot.counted(|counters| counters.sent == 1).await;
    bot.host().stop();
    bot.until(|status| matches!(status, Status::Waiting { .. }))
        .await;
    let queued = confirm(&bot.client(), "queued");
    tokio::task::yield_now().await;
    bot.running().stop();
    bot.running().ended().await.unwrap();
    let written = written.await.unwrap();
    let queued = queued.await.unwrap();
    assert!(matches!(written, Err(ConfirmError::Unknown)), "{written:?}");
    assert!(matches!(queued, Err(ConfirmError::Closed)), "{queued:?}");
    let late = bot.client().send_confirmed(message("late", "x")).await;
    assert!(matches!(late, Err(ConfirmError::Closed)), "{late:?}");
    let foreign = message("x", "x").with_from(Jid::new("mallory@evil.example").unwrap());
    let foreign = bot.client().send_confirmed(foreign).await;
    assert!(
        matches!(
            foreign,
            Err(ConfirmError::Write(WriteError::ForeignSender(_)))
        ),
        "{foreign:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_confirmations() {
    let mut bot = bot(|bot| bot).await;
    let alice = bot.user("alice@localhost");
    bot.counted(|counters| counters.round_trips == 1).await;
    let sends: Vec<_> = (0..100)
        .map(|n| confirm(&bot.client(), &format!("{n}")))
        .collect();
    tokio::task::yield_now().await;
    bot.running().stop();
    bot.running().ended().await.unwrap();
    for send in sends {
        send.await.unwrap().unwrap();
    }
    assert_eq!(alice.waiting(), 100);
}

#[tokio::test(start_paused = true)]
async fn unconfirmed_stanzas_are_limited_by_number_and_bytes() {
    for (change, wanted) in [
        (
            (|limits: &mut Limits| limits.unconfirmed = 8) as fn(&mut Limits),
            8,
        ),
        (
            |limits: &mut Limits| {
                (limits.unconfirmed_bytes, limits.max_stanza_out) = (16 * 1024, 4096);
            },
            16,
        ),
    ] {
        let bot = bot_with(change).await;
        let alice = bot.user("alice@localhost");
        bot.counted(|counters| counters.round_trips == 1).await;
        bot.wire().silence(true);
        let sends: Vec<_> = (0..30)
            .map(|n| {
                let client = bot.client();
                let message = message(&format!("{n}"), &"x".repeat(900));
                tokio::spawn(async move { client.send_confirmed(message).await })
            })
            .collect();
        sleep(SECOND).await;
        assert_eq!(alice.waiting(), wanted);
        bot.wire().silence(false);
        for send in sends {
            send.await.unwrap().unwrap();
        }
        assert_eq!(alice.waiting(), 30);
    }
}

// Quarantine.

/// One of three stanzas makes the server close the stream: it is found, the others arrive.
#[tokio::test(start_paused = true)]
async fn poisoned_stanza_is_found_and_given_up() {
    for condition in ["policy-violation", "not-well-formed", "invalid-from"] {
        let all = Transcript::opening(BOT)
            .self_ping(BOT)
            .expect(&(wire("a") + &wire("b") + &wire("c")));
        let one_by_one = Transcript::opening(BOT)
            .expect(&ping("p1"))
            .send(&ping("p1"))
            .expect(&wire("a"))
            .expect(&ping("p2"))
            .wait(SECOND)
            .send(&ping("p2"))
            .expect(&wire("b"))
            .expect(&ping("p3"));
        let rest = Transcript::opening(BOT)
            .expect(&ping("p4"))
            .send(&ping("p4"))
            .expect(&wire("c"))
            .expect(&ping("p5"))
            .send(&ping("p5"))
            // Stanzas sent meanwhile had to wait.
            .expect(&wire("d"))
            .expect(&ping("p6"))
            .send(&ping("p6"))
            .hold();
        let (bot, _played) = scripted([
            all.expect(&ping("p0")).send(&error(condition)),
            one_by_one.send(&error(condition)),
            rest,
        ]);
        bot.counted(|counters| counters.round_trips == 1).await;
        let sends: Vec<_> = ["a", "b", "c"]
            .iter()
            .map(|id| confirm(&bot.client(), id))
            .collect();
        bot.until(|status| matches!(status, Status::Waiting { .. }))
            .await;
        let later = confirm(&bot.client(), "d");
        let [a, b, c] = sends.try_into().unwrap();
        let [a, b, c]: [Sending; 3] = [a, b, c];
        assert_eq!(a.await.unwrap().unwrap().streams, 2);
        let b = b.await.unwrap();
        assert!(
            matches!(&b, Err(ConfirmError::Refused(error)) if error.condition == condition),
            "{b:?}"
        );
        assert_eq!(c.await.unwrap().unwrap().streams, 2);
        assert_eq!(later.await.unwrap().unwrap().streams, 1);
        assert_eq!((bot.counters().poisoned, bot.counters().confirmed), (1, 3));
    }
}

/// Prosody closes the socket while sent bytes are unread, so its stream error does not always
/// arrive. A stanza that ends one stream after the other is found all the same.
#[tokio::test(start_paused = true)]
async fn poisoned_stanza_is_found_without_a_stream_error() {
    let all = wire("a") + &wire("b") + &wire("c");
    let quarantine = |first: &str| {
        let opened = Transcript::opening(BOT).self_ping(BOT);
        match first {
            "a" => opened
                .expect(&wire("a"))
                .expect(&ping("pa"))
                .send(&ping("pa")),
            _ => opened,
        }
        .expect(&wire("b"))
        .expect(&ping("pb"))
    };
    let last = Transcript::opening(BOT)
        .self_ping(BOT)
        .expect(&wire("c"))
        .expect(&ping("pc"))
        .send(&ping("pc"));
    let (bot, _played) = scripted([
        Transcript::opening(BOT).self_ping(BOT).expect(&all),
        Transcript::opening(BOT).expect(&all),
        quarantine("a"),
        quarantine("b"),
        quarantine("b"),
        last.hold(),
    ]);
    bot.counted(|counters| counters.round_trips == 1).await;
    let [a, b, c] = ["a", "b", "c"].map(|id| confirm(&bot.client(), id));
    assert_eq!(a.await.unwrap().unwrap().streams, 3);
    let b = b.await.unwrap();
    assert!(
        matches!(&b, Err(ConfirmError::Refused(error)) if error.condition == "undefined-condition"),
        "{b:?}"
    );
    assert_eq!(c.await.unwrap().unwrap().streams, 3);
    assert_eq!(
        (
            bot.counters().poisoned,
            bot.counters().confirmed,
            bot.counters().connected
        ),
        (1, 2, 6)
    );
}

/// The same for an unconfirmed stanza that is never written completely.
#[tokio::test(start_paused = true)]
async fn stanza_cut_off_every_time_is_given_up() {
    let begin = format!(
        "<message from='{BOT}' to='alice@localhost/home' id='large' type='chat'><body>xxxxx"
    );
    let untried = Transcript::opening(BOT).expect(&begin);
    let tried = Transcript::opening(BOT).self_ping(BOT).expect(&begin);
    let last = Transcript::opening(BOT).expect(&ping("p")).hold();
    let streams = [
        tried.clone(),
        untried.clone(),
        untried,
        tried.clone(),
        tried.clone(),
        tried,
        last,
    ];
    let (connector, _played) = Transcript::play(streams);
    let builder = Component::builder(BOT)
        .connector(connector)
        .secret("s3cr3t")
        .router(Router::new());
    let bot = start(builder.limits(roomy()));
    bot.counted(|counters| counters.round_trips == 1).await;
    let sent = bot
        .client()
        .send(message("large", &"x".repeat(1_000_000)))
        .await;
    assert!(matches!(sent, Err(SendError::Refused(_))), "{sent:?}");
    bot.mounted().await;
    assert_eq!((bot.counters().poisoned, bot.counters().connected), (1, 7));
}

/// Other stream errors and lost connections say nothing about what was sent.
#[tokio::test(start_paused = true)]
async fn other_stream_errors_start_no_quarantine() {
    let both = wire("a") + &wire("b");
    for end in [error("reset"), "</stream:stream>".to_owned(), String::new()] {
        let first = Transcript::opening(BOT)
            .self_ping(BOT)
            .expect(&both)
            .expect(&ping("p0"))
            .send(&end);
        let second = Transcript::opening(BOT)
            .expect(&both)
            .expect(&ping("p1"))
            .send(&ping("p1"))
            .hold();
        let (bot, _played) = scripted([first, second]);
        bot.counted(|counters| counters.round_trips == 1).await;
        let a = confirm(&bot.client(), "a");
        let b = confirm(&bot.client(), "b");
        assert_eq!(
            (
                a.await.unwrap().unwrap().streams,
                b.await.unwrap().unwrap().streams
            ),
            (2, 2)
        );
        assert_eq!((bot.counters().resent, bot.counters().poisoned), (2, 0));
    }
}

/// A server that closes the stream within a stanza because it is too large.
fn strict(opened: Transcript, id: &str) -> Transcript {
    let begin = format!(
        "<message from='{BOT}' to='alice@localhost/home' id='{id}' type='chat'><body>xxxxx"
    );
    opened.expect(&begin).send(&error("policy-violation"))
}

fn roomy() -> Limits {
    let mut limits = Limits::default();
    limits.max_stanza_out = 2_000_000;
    limits
}

/// A stanza that is too large would end every stream if it were always resent.
#[tokio::test(start_paused = true)]
async fn oversize_stanza_ends_at_most_two_streams() {
    for confirmed in [true, false] {
        let (connector, _played) = Transcript::play([
            strict(Transcript::opening(BOT).self_ping(BOT), "large"),
            strict(Transcript::opening(BOT).self_ping(BOT), "large"),
            Transcript::opening(BOT)
                .expect(&ping("p2"))
                .send(&ping("p2"))
                .expect(&wire("small"))
                .expect(&ping("p3"))
                .send(&ping("p3"))
                .hold(),
        ]);
        let builder = Component::builder(BOT)
            .connector(connector)
            .secret("s3cr3t")
            .router(Router::new());
        let bot = start(builder.limits(roomy()));
        bot.counted(|counters| counters.round_trips == 1).await;
        let client = bot.client();
        let large = message("large", &"x".repeat(1_000_000));
        let large = tokio::spawn(async move {
            match confirmed {
                true => matches!(
                    client.send_confirmed(large).await,
                    Err(ConfirmError::Refused(_))
                ),
                false => matches!(client.send(large).await, Err(SendError::Refused(_))),
            }
        });
        bot.until(|status| matches!(status, Status::Waiting { .. }))
            .await;
        let small = confirm(&bot.client(), "small");
        assert!(large.await.unwrap());
        small.await.unwrap().unwrap();
        assert_eq!((bot.counters().connected, bot.counters().poisoned), (3, 1));
    }
}

/// A reply that is too large for the server is given up in the same way, and later ones are
/// written.
#[tokio::test(start_paused = true)]
async fn oversize_reply_is_given_up() {
    let ask = |id: &str| {
        format!(
            "<message from='alice@localhost/home' to='{BOT}' id='{id}' \
            type='chat'><body>{id}</body></message>"
        )
    };
    let (connector, played) = Transcript::play([
        strict(
            Transcript::opening(BOT)
                .self_ping(BOT)
                .send(&(ask("large") + &ask("small"))),
            "large",
        ),
        strict(Transcript::opening(BOT).self_ping(BOT), "large"),
        Transcript::opening(BOT)
            .expect(&wire("small"))
            .expect(&ping("p2")),
    ]);
    let answer = async |Body(body): Body| {
        if body == "large" {
            "x".repeat(1_000_000)
        } else {
            body
        }
    };
    let builder = Component::builder(BOT)
        .connector(connector)
        .secret("s3cr3t");
    let bot = start(
        builder
            .router(Router::new().message(answer))
            .limits(roomy()),
    );
    played.done().await;
    assert_eq!((bot.counters().connected, bot.counters().poisoned), (3, 1));
}

/// While a stanza is in quarantine nothing else is written, but the quarantine ends when too much
/// waits.
#[tokio::test(start_paused = true)]
async fn quarantine_ends_when_too_much_is_waiting() {
    let body = "x".repeat(8000);
    let ask = |n| {
        format!(
            "<message from='bob@localhost/home' to='{BOT}' id='{n}' \
            type='chat'><body>{body}</body></message>"
        )
    };
    let answer = |n| {
        format!(
            "<message from='{BOT}' to='bob@localhost/home' id='{n}' \
            type='chat'><body>{body}</body></message>"
        )
    };
    let all = |what: &dyn Fn(u32) -> String| (0..10).map(what).collect::<String>();
    let first = Transcript::opening(BOT)
        .self_ping(BOT)
        .expect(&wire("m1"))
        .expect(&ping("p0"));
    let second = Transcript::opening(BOT)
        .self_ping(BOT)
        .expect(&wire("m1"))
        .expect(&ping("p1"))
        .send(&all(&ask))
        .expect(&all(&answer))
        .send(&ping("p1"))
        .hold();
    let (connector, _played) = Transcript::play([first.send(&error("policy-violation")), second]);
    let mut limits = Limits::default();
    limits.outbound = 64 * 1024;
    let builder = Component::builder(BOT)
        .connector(connector)
        .secret("s3cr3t")
        .limits(limits);
    let bot = start(builder.router(Router::new().message(async |Body(body): Body| body)));
    bot.counted(|counters| counters.round_trips == 1).await;
    let sending = confirm(&bot.client(), "m1");
    assert_eq!(sending.await.unwrap().unwrap().streams, 2);
    assert_eq!((bot.counters().connected, bot.counters().poisoned), (2, 0));
}

/// Requests and their responses are never suspected: they have failed with their connection.
#[tokio::test(start_paused = true)]
async fn handler_can_send_confirmed_to_its_own_sender() {
    let handler = async |client: Client, Body(body): Body| -> Result<Reply, StanzaError> {
        client
            .send_confirmed(message("from-handler", &body))
            .await
            .unwrap();
        Ok(Reply::Empty)
    };
    let bot = mount(BOT, |bot| bot.router(Router::new().message(handler))).await;
    let alice = bot.user("alice@localhost");
    for _ in 0..3 {
        alice.say(BOT, "hi").await.unwrap();
        alice
            .expect("<message type='chat' id='from-handler'><body>hi</body></message>")
            .await;
    }
    bot.counted(|counters| counters.confirmed == 3).await;
}

// Random faults.

/// A deterministic random number generator.
struct Dice(u64);

impl Dice {
    /// Returns a number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}

/// Injects faults for a while.
async fn harm(bot: &Mounted, dice: &mut Dice) {
    let wire = bot.wire();
    let host = bot.host();
    let bytes = usize::try_from(dice.roll(5000)).unwrap();
    match dice.roll(7) {
        0 => wire.cut(),
        1 => wire.cut_after_written(bytes),
        2 => wire.cut_after_read(bytes),
        3 => {
            wire.silence(true);
            sleep(Duration::from_millis(dice.roll(40_000))).await;
            wire.silence(false);
        }
        4 => {
            wire.block(true);
            sleep(Duration::from_millis(dice.roll(40_000))).await;
            wire.block(false);
        }
        5 => {
            host.stop();
            sleep(Duration::from_millis(dice.roll(3000))).await;
            host.start();
        }
        _ => {
            let conditions = [
                "policy-violation",
                "not-well-formed",
                "reset",
                "system-shutdown",
            ];
            let condition = conditions[usize::try_from(dice.roll(4)).unwrap()].to_owned();
            host.disconnect(
                BOT,
                &Disconnect::Error {
                    condition,
                    text: None,
                },
            );
        }
    }
}

/// Stanzas of all kinds and random faults of the connection: accepted stanzas have arrived in
/// order, and no future waits forever. The stream errors are not due to stanzas, so hardly anything
/// is given up.
#[tokio::test(start_paused = true)]
async fn accepted_stanzas_have_arrived_under_random_faults() {
    let mut sent = 0;
    let mut given_up = 0;
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let bot = bot_with(|limits| {
            limits.back_off = (Duration::from_millis(10), Duration::from_secs(1));
            limits.slow_retry = limits.back_off;
            limits.unconfirmed_age = SECOND * 3600;
        })
        .await;
        let alice = bot.user("alice@localhost");
        let bob = bot.user("bob@localhost");
        let stop = Arc::new(AtomicUsize::new(0));
        let senders: Vec<_> = (0..6)
            .map(|sender| {
                let (client, stop, mut dice) =
                    (bot.client(), Arc::clone(&stop), Dice(seed * 100 + sender));
                tokio::spawn(async move {
                    let mut taken = Vec::new();
                    for n in 0usize.. {
                        if stop.load(Ordering::Relaxed) > 0 {
                            break;
                        }
                        let message = message(
                            &format!("s{sender}-{n}"),
                            &"x".repeat(10 + usize::try_from(dice.roll(3000)).unwrap()),
                        );
                        // Some are not confirmed and may be lost.
                        if dice.roll(4) == 0 {
                            client.send(message).await.unwrap();
                        } else {
                            taken.push((n, client.send_confirmed(message).await));
                        }
                        sleep(Duration::from_millis(dice.roll(100))).await;
                    }
                    (sender, taken)
                })
            })
            .collect();
        for _ in 0..12 {
            harm(&bot, &mut dice).await;
            bob.say(BOT, "answer me").await.unwrap();
            sleep(Duration::from_millis(dice.roll(2000))).await;
        }
        stop.store(1, Ordering::Relaxed);
        let results = tokio::time::timeout(SECOND * 600, async {
            let mut results = Vec::new();
            for sender in senders {
                results.push(sender.await.unwrap());
            }
            results
        });
        let results = results
            .await
            .unwrap_or_else(|_| panic!("seed {seed}: {:?} {:?}", bot.status(), bot.counters()));
        let mut first: HashMap<String, Vec<usize>> = HashMap::new();
        while alice.waiting() > 0 {
            let id = alice.recv().await.unwrap().id().unwrap().to_owned();
            let (sender, n) = id.split_once('-').unwrap();
            let numbers = first.entry(sender.to_owned()).or_default();
            let n = n.parse().unwrap();
            if !numbers.contains(&n) {
                numbers.push(n);
            }
        }
        assert!(
            first.values().all(|numbers| numbers.is_sorted()),
            "seed {seed}: the order of a sender is lost"
        );
        for (sender, taken) in results {
            for (n, result) in taken {
                let came = first
                    .get(&format!("s{sender}"))
                    .is_some_and(|numbers| numbers.contains(&n));
                assert!(
                    came || result.is_err(),
                    "seed {seed}: s{sender}-{n} is lost: {result:?}"
                );
                assert!(
                    matches!(result, Ok(_) | Err(ConfirmError::Refused(_))),
                    "seed {seed}: {result:?}"
                );
                sent += 1;
                given_up += usize::from(result.is_err());
            }
        }
    }
    println!("{sent} stanzas, {given_up} given up");
    assert!(
        sent > 5_000 && given_up * 1000 < sent,
        "{given_up} of {sent} were given up"
    );
}

/// A module that sends a confirmed stanza at one point of its life.
struct Sends(&'static str);

impl Sends {
    async fn send(&self, at: &str, client: Option<&Client>) {
        if let Some(client) = client.filter(|_| at == self.0) {
            let stanza = Stanza::chat(Jid::new("alice@localhost").unwrap(), "hi").unwrap();
            let result = client.send_confirmed(stanza).await;
            assert!(matches!(result, Err(ConfirmError::Closed)), "{result:?}");
        }
    }
}

#[async_trait::async_trait]
impl Module for Sends {
    fn name(&self) -> &'static str {
        "sends"
    }

    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
        Ok(router)
    }

    async fn start(&self, client: Client) -> Result<(), BoxError> {
        if self.0 == "background" {
            let sending = client.clone();
            tokio::spawn(
                async move { Sends("background").send("background", Some(&sending)).await },
            );
        }
        self.send("start", Some(&client)).await;
        *CLIENT.lock().unwrap() = Some(client);
        Ok(())
    }

    async fn stop(&self) {
        let client = CLIENT.lock().unwrap().take();
        self.send("stop", client.as_ref()).await;
    }
}

static CLIENT: Mutex<Option<Client>> = Mutex::new(None);

#[tokio::test(start_paused = true)]
async fn shutdown_without_a_connection_does_not_wait_for_confirmations() {
    for at in ["start", "stop", "background"] {
        let refused = || {
            std::future::ready(Err::<tokio::io::DuplexStream, _>(
                std::io::ErrorKind::ConnectionRefused.into(),
            ))
        };
        let mut bot = start(
            Component::builder("bot.localhost")
                .connector(refused)
                .secret("s3cr3t")
                .keep_trying()
                .module(Sends(at)),
        );
        sleep(Duration::from_secs(3)).await;
        let began = Instant::now();
        bot.stop();
        bot.ended().await.unwrap();
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{at}: {:?}",
            began.elapsed()
        );
    }
}
