//! Tower layers around a route and around the whole service without an adapter; their errors reach
//! the peer as stanza errors.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use campanile::client::Client;
use campanile::component::Component;
use campanile::error::BoxError;
use campanile::error::into_stanza_error;
use campanile::inbound::Inbound;
use campanile::jid::Jid;
use campanile::reply::Reply;
use campanile::router::{Filter, Route, Router};
use campanile::stanza::Stanza;
use tokio::sync::Notify;
use tokio::time::Instant;
use tower::buffer::BufferLayer;
use tower::limit::{ConcurrencyLimitLayer, RateLimitLayer};
use tower::load_shed::LoadShedLayer;
use tower::timeout::TimeoutLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

fn message() -> Inbound {
    let jid = |text: &str| text.parse::<Jid>().unwrap();
    let stanza = Stanza::chat(jid("bot.localhost"), "hi")
        .unwrap()
        .with_from(jid("alice@example.org/desk"));
    Inbound::new(stanza, Client::detached(&"bot.localhost".parse().unwrap())).unwrap()
}

/// Returns what the peer receives: the text of the first child, or the condition and type of the
/// error.
fn outcome_of(answer: Result<Reply, BoxError>) -> String {
    match answer {
        Ok(Reply::Children(children)) => children.first().unwrap().text().into_owned(),
        Ok(other) => format!("{other:?}"),
        Err(error) => {
            let error = into_stanza_error(&error);
            format!("{} {}", error.condition(), error.error_type().as_str())
        }
    }
}

/// A handler that waits for a permit.
fn patient(permission: &Arc<Notify>) -> Router {
    let permission = Arc::clone(permission);
    Router::new().message(move || {
        let permission = Arc::clone(&permission);
        async move {
            permission.notified().await;
            "done"
        }
    })
}

/// Applies the same layer to one route and to the whole router.
fn both<L>(router: &Router, layer: impl Fn() -> L) -> [Route; 2]
where
    L: Layer<Route> + Layer<Router> + Send + Sync + 'static,
    <L as Layer<Route>>::Service:
        Service<Inbound, Response = Reply> + Clone + Send + Sync + 'static,
    <<L as Layer<Route>>::Service as Service<Inbound>>::Error: Into<BoxError>,
    <<L as Layer<Route>>::Service as Service<Inbound>>::Future: Send + 'static,
    <L as Layer<Router>>::Service:
        Service<Inbound, Response = Reply> + Clone + Send + Sync + 'static,
    <<L as Layer<Router>>::Service as Service<Inbound>>::Error: Into<BoxError>,
    <<L as Layer<Router>>::Service as Service<Inbound>>::Future: Send + 'static,
{
    [
        Route::new(router.clone().layer(layer())),
        Route::new(Layer::<Router>::layer(&layer(), router.clone())),
    ]
}

#[tokio::test(start_paused = true)]
async fn timeout_layer_replies_with_an_error() {
    for mut service in both(&patient(&Arc::default()), || TimeoutLayer::new(SECOND)) {
        assert_eq!(
            outcome_of(service.call(message()).await),
            "remote-server-timeout wait"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn concurrency_limit_waits_and_load_shed_rejects() {
    let permission = Arc::new(Notify::new());
    let shed = || {
        ServiceBuilder::new()
            .load_shed()
            .concurrency_limit(1)
            .into_inner()
    };
    for mut service in both(&patient(&permission), shed) {
        let first = tokio::spawn(service.call(message()));
        tokio::task::yield_now().await;
        assert_eq!(
            outcome_of(service.call(message()).await),
            "resource-constraint wait"
        );
        permission.notify_one();
        assert_eq!(outcome_of(first.await.unwrap()), "done");
    }
    for mut service in both(&patient(&permission), || ConcurrencyLimitLayer::new(1)) {
        let first = tokio::spawn(service.call(message()));
        tokio::task::yield_now().await;
        let second = tokio::spawn(service.call(message()));
        permission.notify_one();
        assert_eq!(outcome_of(first.await.unwrap()), "done");
        permission.notify_one();
        assert_eq!(outcome_of(second.await.unwrap()), "done");
    }
    let shed_alone = both(&patient(&permission), LoadShedLayer::new);
    for mut service in shed_alone {
        permission.notify_one();
        assert_eq!(outcome_of(service.call(message()).await), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn buffered_rate_limit_spaces_stanzas() {
    // tower's rate limit is not `Clone`: a buffer in front of it is.
    let spaced = || {
        ServiceBuilder::new()
            .layer(BufferLayer::new(8))
            .rate_limit(2, SECOND)
            .into_inner()
    };
    for service in both(&Router::new().message(|| async { "done" }), spaced) {
        let start = Instant::now();
        for _ in 0..6 {
            let answer = service.clone().oneshot(message()).await;
            assert_eq!(outcome_of(answer), "done");
        }
        assert_eq!(start.elapsed().as_secs(), 2);
    }
}

#[tokio::test]
async fn buffer_shares_a_service_that_is_not_clone() {
    let buffered = ServiceBuilder::new()
        .buffer(4)
        .service(tower::util::BoxService::new(patient(&Arc::default())));
    let router = Router::new()
        .route_service(Filter::presence(), buffered.clone())
        .message(|| async { "done" });
    for mut service in both(&router, || BufferLayer::new(4)) {
        assert_eq!(outcome_of(service.call(message()).await), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn rate_limit_without_clone_wraps_a_whole_component() {
    let stack = ServiceBuilder::new()
        .load_shed()
        .layer(RateLimitLayer::new(100, SECOND))
        .timeout(SECOND);
    let component = Component::builder("bot.localhost")
        .server("127.0.0.1:5347")
        .secret("secret")
        .service(patient(&Arc::default()))
        .layer(stack.into_inner())
        .layer(campanile::layer::MetricsLayer::new())
        .layer(campanile::layer::TraceLayer)
        .build();
    assert!(component.is_ok());
}

#[tokio::test(start_paused = true)]
async fn layers_are_applied_in_order() {
    let metrics = campanile::layer::MetricsLayer::new();
    let router = patient(&Arc::default())
        .layer(TimeoutLayer::new(SECOND))
        .layer(metrics.clone());
    assert_eq!(
        outcome_of(router.oneshot(message()).await),
        "remote-server-timeout wait"
    );
    let failed = campanile::layer::Outcome::Failed;
    assert_eq!(
        metrics
            .snapshot()
            .counts()
            .filter(|(_, outcome, _)| *outcome == failed)
            .map(|row| row.2)
            .sum::<u64>(),
        1
    );
}
