//! What came, what became of it, and how long it took.

mod slow;
mod snapshot;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

pub use self::slow::SlowRoute;
use self::slow::{SLOW, SlowRoutes};
pub use self::snapshot::{MetricsSnapshot, Outcome};
use crate::inbound::Inbound;
use crate::metrics::AtomicHistogram;
use crate::reply::Reply;
use crate::router::filter::{KIND_COUNT, kind_index};
use crate::slow_handlers::{self, RouteStats};
use crate::stanza::Kind;

/// Counts stanzas by kind, type and outcome, and how long they take.
///
/// Everything is a fixed number of counters, made with the layer; all services of a layer and of
/// its clones count together.
///
/// ```
/// use campanile::layer::MetricsLayer;
/// use campanile::router::Router;
///
/// let metrics = MetricsLayer::new();
/// let router: Router = Router::new().message(|| async { "hello" }).layer(metrics.clone());
/// assert_eq!(metrics.snapshot().total(), 0);
/// ```
#[derive(Debug, Clone, Default)]
pub struct MetricsLayer {
    counters: Arc<Counters>,
}

/// One counter for each kind, type and outcome, and one histogram for each kind.
#[derive(Debug)]
struct Counters {
    outcomes: [[AtomicU64; Outcome::ALL.len()]; KIND_COUNT],
    latency: [AtomicHistogram; 3],
    slow: SlowRoutes,
}

impl MetricsLayer {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The routes that some stanzas were not done with at once; those that took longest in all come
    /// first. For an answer that comes [later](crate::reply::Reply::Deferred) only the time until the
    /// promise is seen.
    #[must_use]
    pub fn slow_routes(&self) -> Vec<SlowRoute> {
        self.counters.slow.read()
    }

    /// What was counted so far. Each counter is read on its own.
    #[must_use]
    pub fn snapshot(&self) -> MetricsSnapshot {
        let count = |kind| {
            Outcome::ALL.map(|outcome| self.counters.outcome(kind, outcome).load(Ordering::Relaxed))
        };
        MetricsSnapshot::new(
            count,
            self.counters
                .latency
                .each_ref()
                .map(AtomicHistogram::snapshot),
        )
    }
}

impl Counters {
    fn outcome(&self, kind: Kind, outcome: Outcome) -> &AtomicU64 {
        &self.outcomes[kind_index(kind)][outcome as usize]
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            outcomes: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            latency: Default::default(),
            slow: SlowRoutes::default(),
        }
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = MetricsService<S>;

    fn layer(&self, inner: S) -> MetricsService<S> {
        MetricsService {
            inner,
            counters: Arc::clone(&self.counters),
        }
    }
}

/// The service of [`MetricsLayer`].
#[derive(Debug, Clone)]
pub struct MetricsService<S> {
    inner: S,
    counters: Arc<Counters>,
}

impl<S> Service<Inbound> for MetricsService<S>
where
    S: Service<Inbound, Response = Reply>,
{
    type Response = Reply;
    type Error = S::Error;
    type Future = MetricsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, inbound: Inbound) -> Self::Future {
        // The stanza is on the books before the service is called: a panic in there is counted,
        // too.
        let counters = Some(Arc::clone(&self.counters));
        let entry = InFlight {
            kind: inbound.kind(),
            since: Instant::now(),
            route: None,
            waited: false,
            counters,
        };
        MetricsFuture {
            inner: self.inner.call(inbound),
            entry,
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`MetricsService`].
    #[derive(Debug)]
    pub struct MetricsFuture<F> {
        #[pin]
        inner: F,
        entry: InFlight,
    }
}

impl<F, E> Future for MetricsFuture<F>
where
    F: Future<Output = Result<Reply, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Poll::Ready(answer) = this.inner.poll(cx) else {
            this.entry.is_pending();
            return Poll::Pending;
        };
        this.entry.close(match &answer {
            Ok(Reply::Error(_)) => Outcome::Refused,
            Ok(_) => Outcome::Done,
            Err(_) => Outcome::Failed,
        });
        Poll::Ready(answer)
    }
}

/// A stanza whose outcome is open.
#[derive(Debug)]
struct InFlight {
    kind: Kind,
    since: Instant,
    /// Where it was not done at once: the route that has it.
    route: Option<Arc<RouteStats>>,
    waited: bool,
    counters: Option<Arc<Counters>>,
}

impl InFlight {
    fn close(&mut self, outcome: Outcome) {
        let Some(counters) = self.counters.take() else {
            return;
        };
        counters
            .outcome(self.kind, outcome)
            .fetch_add(1, Ordering::Relaxed);
        let latency = match self.kind {
            Kind::Iq(_) => 0,
            Kind::Message(_) => 1,
            Kind::Presence(_) => 2,
        };
        let took = self.since.elapsed();
        counters.latency[latency].record(took);
        if took >= SLOW || self.waited {
            self.is_slow(&counters, took);
        }
    }
}

impl InFlight {
    /// At the first poll the route is the one that this very thread has just called.
    fn is_pending(&mut self) {
        if !self.waited {
            (self.waited, self.route) = (true, slow_handlers::current_route());
        }
    }

    #[cold]
    fn is_slow(&mut self, counters: &Counters, took: std::time::Duration) {
        let route = if self.waited {
            self.route.take()
        } else {
            slow_handlers::current_route()
        };
        if let Some(route) = route {
            counters.slow.add(&route, took);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.close(Outcome::Abandoned);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::Condition;
    use crate::router::Router;
    use crate::stanza::{IqType, MessageType};
    use crate::test_util::{call, inbound};

    async fn refuse() -> Condition {
        Condition::NotAllowed
    }

    async fn fail() -> Result<(), std::fmt::Error> {
        Err(std::fmt::Error)
    }

    async fn slow() {
        tokio::time::sleep(Duration::from_millis(40)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_outcome_is_counted_once() {
        let metrics = MetricsLayer::new();
        let router = Router::new()
            .message(|| async { "hi" })
            .iq_get("urn:r", refuse)
            .iq_set("urn:f", fail);
        let mut service = metrics.layer(router.presence(slow));
        for _ in 0..3 {
            call(&mut service, "<message type='chat'/>").unwrap();
        }
        call(
            &mut service,
            "<iq type='get' id='1'><q xmlns='urn:r'/></iq>",
        )
        .unwrap();
        call(
            &mut service,
            "<iq type='set' id='1'><q xmlns='urn:f'/></iq>",
        )
        .unwrap_err();
        call(
            &mut service,
            "<iq type='set' id='1'><q xmlns='urn:g'/></iq>",
        )
        .unwrap_err();
        service.call(inbound("<presence/>")).await.unwrap();
        drop(service.call(inbound("<presence/>")));

        let snapshot = metrics.snapshot();
        let count = |kind, outcome| snapshot.count(kind, outcome);
        let available = Kind::Presence(crate::stanza::PresenceType::Available);
        assert_eq!(count(Kind::Message(MessageType::Chat), Outcome::Done), 3);
        assert_eq!(count(Kind::Iq(IqType::Get), Outcome::Refused), 1);
        assert_eq!(count(Kind::Iq(IqType::Set), Outcome::Failed), 2);
        assert_eq!(count(available, Outcome::Done), 1);
        assert_eq!(count(available, Outcome::Abandoned), 1);
        assert_eq!(snapshot.total(), 8);
        assert_eq!(snapshot.counts().map(|(.., count)| count).sum::<u64>(), 8);
        let presence = snapshot.presence_latency();
        assert_eq!(
            (presence.count(), presence.sum()),
            (2, Duration::from_millis(40))
        );
        assert_eq!(snapshot.iq_latency().count(), 3);
        assert_eq!(snapshot.message_latency().count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_done_at_once_is_known_by_its_route() {
        let metrics = MetricsLayer::new();
        let mut service = metrics.layer(Router::new().message(|| async { "hi" }).presence(slow));
        service
            .call(inbound("<message type='chat'/>"))
            .await
            .unwrap();
        for _ in 0..2 {
            service.call(inbound("<presence/>")).await.unwrap();
        }
        let routes = metrics.slow_routes();
        assert_eq!(routes.len(), 1, "{routes:?}");
        assert!(routes[0].route.ends_with("::slow"), "{routes:?}");
        assert_eq!(
            (routes[0].count, routes[0].total),
            (2, Duration::from_millis(80))
        );
        assert_eq!(routes[0].longest, Duration::from_millis(40));
    }

    #[test]
    fn a_panic_is_counted() {
        async fn none() {}
        #[derive(Clone)]
        struct Broken;
        impl Service<Inbound> for Broken {
            type Response = Reply;
            type Error = crate::error::BoxError;
            type Future = std::future::Ready<Result<Reply, crate::error::BoxError>>;
            fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
                Poll::Ready(Ok(()))
            }
            fn call(&mut self, _inbound: Inbound) -> Self::Future {
                panic!("in call")
            }
        }
        let metrics = MetricsLayer::new();
        let router = Router::new()
            .message(none)
            .route_service(crate::router::Filter::presence(), Broken);
        let mut service = metrics.layer(router);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            call(&mut service, "<presence/>")
        }));
        assert!(caught.is_err());
        assert_eq!(metrics.snapshot().total(), 1);
    }
}
