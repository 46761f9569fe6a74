//! IQ requests with tower layers around them, and messages collected with a response.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use campanile::client::{Client, Empty, IqError, IqRequest, IqResponse, ResponseCollector};
use campanile::error::{Condition, StanzaError};
use campanile::extract::Body;
use campanile::limits::Limits;
use campanile::reply::Reply;
use campanile::router::Router;
use campanile::stanza::{Children, Stanza};
use campanile_testing::{Mounted, mount};
use jid::Jid;
use tokio::sync::Notify;
use tokio::time::Instant;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::retry::{Policy, RetryLayer};
use tower::timeout::TimeoutLayer;
use tower::util::MapRequestLayer;
use tower::{Service, ServiceBuilder, ServiceExt};
use xmpp_parsers::ping::Ping;

const BOT: &str = "bot.localhost";
const SECOND: Duration = Duration::from_secs(1);
const PING: &str = "<iq type='get' from='bot.localhost'><ping xmlns='urn:xmpp:ping'/></iq>";

async fn bot(change: impl FnOnce(&mut Limits)) -> Mounted {
    let mut limits = Limits::default();
    change(&mut limits);
    mount(BOT, |bot| bot.router(Router::new()).limits(limits)).await
}

fn ping(client: &Client, to: &Jid) -> tokio::task::JoinHandle<Result<Empty, IqError>> {
    let client = client.clone();
    let to = to.clone();
    tokio::spawn(async move { client.iq_get(to, &Ping).await })
}

// Layers.

/// Retries a few times if the error type is `wait`.
#[derive(Clone)]
struct Patient(Arc<AtomicUsize>);

impl Policy<IqRequest, IqResponse, IqError> for Patient {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        _: &mut IqRequest,
        result: &mut Result<IqResponse, IqError>,
    ) -> Option<Self::Future> {
        let again = matches!(result, Err(IqError::Refused(error))
            if error.condition() == Condition::ResourceConstraint);
        let left = self.0.fetch_sub(1, Ordering::Relaxed) > 0;
        (again && left).then(|| tokio::time::sleep(SECOND))
    }

    fn clone_request(&mut self, request: &IqRequest) -> Option<IqRequest> {
        Some(request.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn retry_layer_repeats_requests() {
    let bot = bot(|_| {}).await;
    let alice = bot.user("alice@localhost");
    let patient = bot
        .client()
        .layer(RetryLayer::new(Patient(Arc::new(AtomicUsize::new(5)))));
    let began = Instant::now();
    let asking = ping(&patient, alice.jid());
    let mut ids = Vec::new();
    for _ in 0..2 {
        let request = alice.expect(PING).await;
        ids.push(request.id().unwrap().to_owned());
        alice
            .answer(
                &request,
                Reply::Error(StanzaError::new(Condition::ResourceConstraint)),
            )
            .await
            .unwrap();
    }
    let request = alice.expect(PING).await;
    ids.push(request.id().unwrap().to_owned());
    alice.answer(&request, Reply::Empty).await.unwrap();
    asking.await.unwrap().unwrap();
    assert_eq!(began.elapsed(), SECOND * 2);
    // Each attempt is a separate request: a late response to an earlier one does not count.
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn timeout_and_concurrency_limit_layers_apply() {
    let bot = bot(|_| {}).await;
    let alice = bot.user("alice@localhost");
    let quick = bot.client().layer(TimeoutLayer::new(SECOND));
    let began = Instant::now();
    assert!(matches!(
        ping(&quick, alice.jid()).await.unwrap(),
        Err(IqError::Timeout)
    ));
    assert_eq!(began.elapsed(), SECOND);
    alice.expect(PING).await;

    let one = bot.client().layer(GlobalConcurrencyLimitLayer::new(1));
    let first = ping(&one, alice.jid());
    let second = ping(&one, alice.jid());
    let request = alice.expect(PING).await;
    alice.expect_nothing(BOT).await;
    alice.answer(&request, Reply::Empty).await.unwrap();
    first.await.unwrap().unwrap();
    let request = alice.expect(PING).await;

    alice.answer(&request, Reply::Empty).await.unwrap();
    second.await.unwrap().unwrap();

    let stack = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(1)
        .into_inner();
    let shedding = bot.client().layer(stack);
    let first = ping(&shedding, alice.jid());
    let request = alice.expect(PING).await;
    let shed = shedding.iq_get::<Empty>(alice.jid().clone(), &Ping).await;
    assert!(
        matches!(&shed, Err(IqError::Layer(error))
            if error.is::<tower::load_shed::error::Overloaded>()),
        "{shed:?}"
    );
    alice.answer(&request, Reply::Empty).await.unwrap();
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn layer_sees_the_request_and_inner_errors_keep_their_type() {
    let bot = bot(|limits| limits.iq_timeout = SECOND * 7).await;
    let alice = bot.user("alice@localhost");
    let client = bot
        .client()
        .layer(MapRequestLayer::new(|request: IqRequest| {
            assert!(
                request
                    .stanza()
                    .children()
                    .find("urn:xmpp:ping", "ping")
                    .is_some()
            );
            request.with_from(Jid::new("robot@bot.localhost").unwrap())
        }));
    let began = Instant::now();
    let asking = ping(&client, alice.jid());
    let request = alice
        .expect("<iq type='get' from='robot@bot.localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await;
    alice
        .answer(
            &request,
            Reply::Error(StanzaError::new(Condition::Forbidden)),
        )
        .await
        .unwrap();
    let refused = asking.await.unwrap();
    assert!(
        matches!(&refused, Err(IqError::Refused(error))
            if error.condition() == Condition::Forbidden),
        "{refused:?}"
    );
    assert!(matches!(
        ping(&client, alice.jid()).await.unwrap(),
        Err(IqError::Timeout)
    ));
    assert_eq!(began.elapsed(), SECOND * 7);
}

#[tokio::test(start_paused = true)]
async fn client_is_a_tower_service() {
    let bot = bot(|_| {}).await;
    let alice = bot.user("alice@localhost");
    let mut client = bot.client();
    let asking = client
        .ready()
        .await
        .unwrap()
        .call(IqRequest::get(alice.jid().clone(), &Ping).unwrap());
    let asking = tokio::spawn(asking);
    let request = alice.expect(PING).await;
    alice
        .answer(&request, Reply::payload(&Ping).unwrap())
        .await
        .unwrap();
    let response = asking.await.unwrap().unwrap();
    assert_eq!(response.children().len(), 1);
    response.parse::<Ping>().unwrap();
    assert!(
        response
            .parse::<xmpp_parsers::version::VersionResult>()
            .is_err()
            && response.collected().is_empty()
    );
    // Only a request has a response.
    let message = Stanza::chat(alice.jid().clone(), "hi").unwrap();
    assert!(matches!(
        client.request(IqRequest::new(message)).await,
        Err(IqError::Write(_))
    ));
}

// Messages collected with a response.

const ARCHIVE: &str = "urn:xmpp:mam:2";

fn result(query: &str, n: usize) -> String {
    format!(
        "<message to='bot.localhost'><result xmlns='urn:xmpp:mam:2' queryid='{query}' \
        id='{n}'/></message>"
    )
}

/// Sends a request with a collector for the query `q`.
fn collect(client: &Client, to: &Jid) -> tokio::task::JoinHandle<Result<IqResponse, IqError>> {
    let request = IqRequest::get(to.clone(), &Ping).unwrap();
    let request = request.with_collector(ResponseCollector::new(
        (ARCHIVE, "result"),
        ("queryid", "q"),
    ));
    let client = client.clone();
    tokio::spawn(async move { client.request(request).await })
}

fn ids(response: &IqResponse) -> Vec<usize> {
    let id = |message: &Stanza| message.children().first()?.attribute("id")?.parse().ok();
    response
        .collected()
        .iter()
        .map(|message| id(message).unwrap())
        .collect()
}

/// A whole page of an archive in one segment, while every handler is busy and the queue is full.
#[tokio::test(start_paused = true)]
async fn two_hundred_results_in_one_segment_are_all_collected() {
    let gate = Arc::new(Notify::new());
    let inner = Arc::clone(&gate);
    let held = move |_: Children| {
        let gate = Arc::clone(&inner);
        async move { gate.notified().await }
    };
    let mut limits = Limits::default();
    (limits.in_flight, limits.waiting) = (8, 8);
    let bot = mount(BOT, |bot| {
        bot.router(Router::new().message(held)).limits(limits)
    })
    .await;
    let users: Vec<_> = (0..8)
        .map(|n| bot.user(&format!("user{n}@server{n}.example")))
        .collect();
    for user in &users {
        for _ in 0..5 {
            user.say(BOT, "busy").await.unwrap();
        }
    }
    bot.counted(|counters| counters.taken == 16 && counters.shed >= 24)
        .await;
    let archive = bot.user("archive@localhost");
    let asking = collect(&bot.client(), archive.jid());
    let request = archive.expect(PING).await;
    let from = format!(" from='{}' ", archive.jid());
    let mut page: String = (0..200)
        .map(|n| result("q", n).replace(" to=", &format!("{from}to=")))
        .collect();
    page += &format!(
        "<iq type='result'{from}to='{BOT}' id='{}'/>",
        request.id().unwrap()
    );
    let shed = bot.counters().shed;
    bot.host().inject(BOT, &page);
    let response = asking.await.unwrap().unwrap();
    assert_eq!(ids(&response), (0..200).collect::<Vec<_>>());
    let counters = bot.counters();
    assert_eq!(
        (counters.taken, counters.shed, counters.uncollected),
        (16, shed, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn only_matching_messages_are_collected() {
    let bot = mount(BOT, |bot| {
        bot.router(Router::new().message(async |Body(body): Body| body))
    })
    .await;
    let alice = bot.user("alice@localhost");
    let mallory = bot.user("mallory@localhost");
    let other = bot.user("alice@localhost/other");
    let asking = collect(&bot.client(), alice.jid());
    let request = alice.expect(PING).await;
    alice.send(result("q", 1)).await.unwrap();
    for forger in [&mallory, &other] {
        forger.send(result("q", 2)).await.unwrap();
    }
    alice.send(result("p", 3)).await.unwrap();
    alice
        .send("<message to='bot.localhost'><result xmlns='urn:x' queryid='q' id='4'/></message>")
        .await
        .unwrap();
    alice
        .send(
            "<message to='bot.localhost'><x xmlns='urn:xmpp:mam:2' queryid='q' id='5'/></message>",
        )
        .await
        .unwrap();
    alice.say(BOT, "as ever").await.unwrap();
    alice.send(result("q", 6)).await.unwrap();
    alice.answer(&request, Reply::Empty).await.unwrap();
    assert_eq!(ids(&asking.await.unwrap().unwrap()), [1, 6]);
    alice
        .expect_among("<message type='chat'><body>as ever</body></message>")
        .await;
    // After the response nothing is collected.
    let taken = bot.counters().taken;
    alice.send(result("q", 7)).await.unwrap();
    bot.counted(|counters| counters.taken == taken + 1).await;
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_to_one_peer_collect_their_own_messages() {
    let bot = bot(|_| {}).await;
    let alice = bot.user("alice@localhost");
    let ask = |query: &str| {
        let request = IqRequest::get(alice.jid().clone(), &Ping).unwrap();
        let request = request.with_collector(ResponseCollector::new(
            (ARCHIVE, "result"),
            ("queryid", query),
        ));
        let client = bot.client();
        tokio::spawn(async move { client.request(request).await })
    };
    let first = ask("a");
    let first_request = alice.expect(PING).await;
    let second = ask("b");
    let second_request = alice.expect(PING).await;
    for n in 0..10 {
        alice
            .send(result(if n % 2 == 0 { "a" } else { "b" }, n))
            .await
            .unwrap();
    }
    alice.answer(&second_request, Reply::Empty).await.unwrap();
    assert_eq!(ids(&second.await.unwrap().unwrap()), [1, 3, 5, 7, 9]);
    alice.send(result("a", 10)).await.unwrap();
    alice.answer(&first_request, Reply::Empty).await.unwrap();
    assert_eq!(ids(&first.await.unwrap().unwrap()), [0, 2, 4, 6, 8, 10]);
}

#[tokio::test(start_paused = true)]
async fn full_collector_fails_its_request() {
    for change in [
        |limits: &mut Limits| limits.max_collected = 3,
        |limits: &mut Limits| limits.max_collected_bytes = 1200,
    ] {
        let bot = bot(change).await;
        let alice = bot.user("alice@localhost");
        let asking = collect(&bot.client(), alice.jid());
        let request = alice.expect(PING).await;
        for n in 0..10 {
            alice.send(result("q", n)).await.unwrap();
        }
        alice.answer(&request, Reply::Empty).await.unwrap();
        let full = asking.await.unwrap();
        assert!(matches!(full, Err(IqError::TooMuch)), "{full:?}");
        let counters = bot.counters();
        assert!(
            counters.uncollected > 0 && counters.taken == 0,
            "{counters:?}"
        );
        // The space is free again.
        let asking = collect(&bot.client(), alice.jid());
        let request = alice.expect(PING).await;
        alice.send(result("q", 11)).await.unwrap();
        alice.answer(&request, Reply::Empty).await.unwrap();
        assert_eq!(ids(&asking.await.unwrap().unwrap()), [11]);
    }
}

#[tokio::test(start_paused = true)]
async fn abandoned_request_collects_nothing() {
    let bot = bot(|_| {}).await;
    let alice = bot.user("alice@localhost");
    let asking = collect(&bot.client(), alice.jid());
    alice.expect(PING).await;
    alice.send(result("q", 1)).await.unwrap();
    asking.abort();
    assert!(asking.await.is_err());
    alice.send(result("q", 2)).await.unwrap();
    bot.counted(|counters| counters.taken == 1).await;
    let asking = collect(&bot.client(), alice.jid());
    alice.expect_among(PING).await;
    bot.wire().cut();
    assert!(matches!(asking.await.unwrap(), Err(IqError::Disconnected)));
    bot.mounted().await;
    alice.send(result("q", 3)).await.unwrap();
    bot.counted(|counters| counters.taken == 2).await;
}
