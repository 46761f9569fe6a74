//! The keepalive: a live socket is not a live route, so the component pings itself through the
//! server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::time::Duration;

use campanile::Limits;
use campanile::component::{Component, Status};
use campanile::router::Router;
use campanile_testing::host::{Host, OnConflict};
use campanile_testing::{Mounted, Running, Transcript, TranscriptResult, mount, start};
use tokio::time::{Instant, sleep};

const BOT: &str = "bot.localhost";

fn router() -> Router {
    Router::new()
}

async fn bot() -> Mounted {
    mount(BOT, |bot| bot.router(router())).await
}

/// Runs a component against a scripted server.
fn scripted(transcript: Transcript) -> (Running, TranscriptResult) {
    let (connector, played) = Transcript::play([transcript]);
    (
        start(
            Component::builder(BOT)
                .connector(connector)
                .secret("s3cr3t")
                .router(router()),
        ),
        played,
    )
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

#[tokio::test(start_paused = true)]
async fn completed_round_trip_is_counted() {
    let bot = bot().await;
    for round_trips in 1..=3 {
        bot.counted(|counters| counters.round_trips == round_trips)
            .await;
        assert!(bot.status().is_ready());
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(bot.counters().connected, 1);
    // The ping is neither dispatched nor answered.
    assert_eq!((bot.counters().taken, bot.counters().unsolicited), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn lost_pings_end_the_connection() {
    let (bot, _played) = scripted(Transcript::opening(BOT).hold());
    bot.mounted().await;
    let began = Instant::now();
    bot.until(|status| *status == Status::Mounted { live: false })
        .await;
    assert!(
        began.elapsed() >= Duration::from_secs(9) && began.elapsed() <= Duration::from_secs(12)
    );
    assert!(
        lost(&bot)
            .await
            .contains("self-ping through the server timed out")
    );
    // Neither does the second one come back.
    assert!(
        began.elapsed() >= Duration::from_secs(30) && began.elapsed() <= Duration::from_secs(32)
    );
}

#[tokio::test(start_paused = true)]
async fn inbound_stanzas_reset_the_deadline() {
    let presence = "<presence from='alice@localhost/home' to='bot.localhost'/>";
    let mut busy = Transcript::opening(BOT);
    for _ in 0..12 {
        busy = busy.wait(Duration::from_secs(8)).send(presence);
    }
    // Results, errors and stray stanzas prove nothing: their senders may not need a route to the
    // component.
    for other in [
        "<iq from='a@x' to='bot.localhost' type='result' id='1'/>",
        "<presence from='a@x' to='other.localhost'/>",
    ] {
        busy = busy.wait(Duration::from_secs(6)).send(other);
    }
    let (bot, _played) = scripted(busy.hold());
    bot.mounted().await;
    let began = Instant::now();
    bot.counted(|counters| counters.connected == 1).await;
    sleep(Duration::from_secs(96)).await;
    assert_eq!(bot.status(), Status::Mounted { live: true });
    lost(&bot).await;
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(96 + 29) && took <= Duration::from_secs(96 + 32),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn late_round_trip_makes_the_route_live_again() {
    let ping = "<iq type='get' id='{ping}' from='bot.localhost/ping' to='bot.localhost/pong'><ping \
        xmlns='urn:xmpp:ping'/></iq>";
    let late = Transcript::opening(BOT)
        .expect(ping)
        .wait(Duration::from_secs(12))
        .send(ping)
        .hold();
    let (bot, _played) = scripted(late);
    bot.until(|status| *status == Status::Mounted { live: false })
        .await;
    bot.until(|status| *status == Status::Mounted { live: true })
        .await;
    assert_eq!(bot.counters().round_trips, 1);
}

/// One ping may be lost to a brief disturbance; the second one proves the route to be live.
#[tokio::test(start_paused = true)]
async fn second_ping_is_sent_before_the_connection_is_dropped() {
    let ping = |id| {
        format!(
            "<iq type='get' id='{{{id}}}' from='bot.localhost/ping' to='bot.localhost/pong'><ping \
            xmlns='urn:xmpp:ping'/></iq>"
        )
    };
    let lossy = Transcript::opening(BOT)
        .expect(&ping("lost"))
        .expect(&ping("found"))
        .send(&ping("found"))
        .hold();
    let (bot, _played) = scripted(lossy);
    bot.mounted().await;
    let began = Instant::now();
    bot.until(|status| *status == Status::Mounted { live: false })
        .await;
    bot.until(|status| *status == Status::Mounted { live: true })
        .await;
    assert!(
        began.elapsed() >= Duration::from_secs(14) && began.elapsed() <= Duration::from_secs(17)
    );
    sleep(Duration::from_secs(40)).await;
    assert_eq!(
        (bot.counters().connected, bot.counters().round_trips),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn error_reply_to_ping_is_a_failure_from_any_sender() {
    let ping = "<iq type='get' id='{ping}' from='bot.localhost/ping' to='bot.localhost/pong'><ping \
        xmlns='urn:xmpp:ping'/></iq>";
    for from in ["bot.localhost/pong", "localhost", "alice@localhost/home"] {
        let error = format!(
            "<iq type='error' id='{{ping}}' from='{from}' to='bot.localhost/ping'><error \
            type='cancel'>\
             <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        );
        let (bot, _played) = scripted(Transcript::opening(BOT).expect(ping).send(&error).hold());
        bot.mounted().await;
        let began = Instant::now();
        assert!(
            lost(&bot)
                .await
                .contains("self-ping through the server timed out")
        );
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test(start_paused = true)]
async fn forged_ping_is_ignored() {
    let ping = "<iq type='get' id='{ping}' from='bot.localhost/ping' to='bot.localhost/pong'><ping \
        xmlns='urn:xmpp:ping'/></iq>";
    let forged = "<iq type='get' id='{ping}' from='mallory@evil.example/x' \
        to='bot.localhost/pong'><ping xmlns='urn:xmpp:ping'/></iq>";
    let guessed = "<iq type='get' id='0123-ping' from='bot.localhost/ping' \
        to='bot.localhost/pong'><ping xmlns='urn:xmpp:ping'/></iq>";
    let (bot, _played) = scripted(
        Transcript::opening(BOT)
            .expect(ping)
            .send(forged)
            .send(guessed)
            .hold(),
    );
    assert!(
        lost(&bot)
            .await
            .contains("self-ping through the server timed out")
    );
    assert_eq!(bot.counters().round_trips, 0);
}

/// Several processes on one domain of ejabberd: the pings of each are routed to any of them.
#[tokio::test(start_paused = true)]
async fn processes_sharing_a_domain_stay_connected() {
    let host = Host::builder()
        .secret("s3cr3t")
        .on_conflict(OnConflict::Share)
        .build();
    let process = || {
        start(
            Component::builder(BOT)
                .connector(host.connector())
                .secret("s3cr3t")
                .router(router()),
        )
    };
    let processes = [process(), process(), process()];
    let connected = || {
        processes
            .iter()
            .map(|process| process.counters().connected)
            .sum::<u64>()
    };
    // They have to detect each other, which may cost a connection.
    sleep(Duration::from_secs(300)).await;
    let before = connected();
    assert!(before <= 9, "{before}");
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(connected(), before);
}

#[tokio::test(start_paused = true)]
async fn more_pings_may_be_lost_with_other_processes_on_the_jid() {
    let stranger = "<iq type='get' id='0123-ping' from='bot.localhost/ping' \
        to='bot.localhost/pong'><ping xmlns='urn:xmpp:ping'/></iq>";
    let (bot, _played) = scripted(Transcript::opening(BOT).expect("<iq").send(stranger).hold());
    bot.mounted().await;
    let began = Instant::now();
    assert!(
        lost(&bot)
            .await
            .contains("self-ping through the server timed out")
    );
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(9 * 15) && took < Duration::from_secs(9 * 15 + 20),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn silent_server_is_detected() {
    let bot = bot().await;
    bot.counted(|counters| counters.round_trips == 1).await;
    bot.wire().silence(true);
    let began = Instant::now();
    assert!(
        lost(&bot)
            .await
            .contains("self-ping through the server timed out")
    );
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(85) && took <= Duration::from_secs(93),
        "{took:?}"
    );
    bot.wire().silence(false);
    bot.mounted().await;
    bot.counted(|counters| counters.round_trips == 2).await;
}

/// Returns how long it takes until the component counts as ready, or as not ready.
async fn until_ready(bot: &Running, ready: bool) -> Duration {
    let began = Instant::now();
    bot.until(|status| status.is_ready() == ready).await;
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn readiness_is_never_older_than_its_maximum_age() {
    let fresh = Duration::from_secs(10);
    let bot = mount(BOT, |bot| bot.router(router()).readiness_max_age(fresh)).await;
    until_ready(&bot, true).await;
    // However long the connection was quiet before, and wherever between two pings it becomes
    // silent.
    for quiet in [0, 1700, 3300, 61_000] {
        sleep(Duration::from_millis(quiet)).await;
        assert!(bot.status().is_ready());
        bot.wire().silence(true);
        let took = until_ready(&bot, false).await;
        assert!(
            took >= Duration::from_secs(4) && took < fresh - Duration::from_millis(500),
            "after {quiet} ms: {took:?}"
        );
        bot.wire().silence(false);
        until_ready(&bot, true).await;
    }
    assert_eq!(bot.counters().connected, 1);
    // As of the last tick of the connection's timer.
    let fresh = || {
        bot.metrics()
            .gauges()
            .keepalive_age
            .is_some_and(|age| age <= Duration::from_secs(4))
    };
    while !fresh() {
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn component_is_not_ready_before_the_first_round_trip() {
    let (connector, _played) = Transcript::play([Transcript::opening(BOT).hold()]);
    let asked = Component::builder(BOT)
        .connector(connector)
        .secret("s3cr3t")
        .router(router());
    let bot = start(asked.readiness_max_age(Duration::from_secs(10)));
    bot.mounted().await;
    assert_eq!(bot.status(), Status::Mounted { live: false });
    lost(&bot).await;
}

#[tokio::test(start_paused = true)]
async fn pings_stay_rare_without_a_maximum_age() {
    let bot = bot().await;
    sleep(Duration::from_secs(59)).await;
    assert_eq!(bot.counters().round_trips, 1);
}

/// A server whose parser holds back a tag that arrived in halves, and everything after it, until
/// twice as much has arrived. The white space after the second ping brings that much, and the
/// connection survives.
#[tokio::test(start_paused = true)]
async fn second_ping_flushes_a_deferring_parser() {
    let ping = |name: &str| {
        format!(
            "<iq type='get' id='{{{name}}}' from='{BOT}/ping' to='{BOT}/pong'><ping \
            xmlns='urn:xmpp:ping'/></iq>"
        )
    };
    let server = Transcript::opening(BOT)
        .expect(&ping("first"))
        .expect(&ping("second"))
        .expect(&" ".repeat(64 * 1024))
        .send(&ping("first"))
        .hold();
    let (bot, _played) = scripted(server);
    bot.counted(|counters| counters.round_trips == 1).await;
    assert!(bot.status().is_ready());
    assert_eq!(bot.counters().connected, 1);
}

#[tokio::test(start_paused = true)]
async fn any_duration_is_accepted_as_a_limit() {
    let never = Duration::MAX;
    let limits = Limits::default()
        .with_keepalive(never)
        .with_keepalive_deadline(never)
        .with_shutdown_grace(never)
        .with_handler_timeout(never)
        .with_iq_timeout(never)
        .with_unconfirmed_age(never)
        .with_connect_timeout(never)
        .with_back_off((never, never));
    let mut bot = mount("bot.localhost", |bot| {
        bot.limits(limits)
            .readiness_max_age(never)
            .router(Router::new().message(async || "hello"))
    })
    .await;
    let alice = bot.user("alice@localhost");
    alice.say("bot.localhost", "hi").await.unwrap();
    alice
        .expect("<message type='chat'><body>hello</body></message>")
        .await;
    bot.running().stop();
    bot.running().ended().await.unwrap();
}
