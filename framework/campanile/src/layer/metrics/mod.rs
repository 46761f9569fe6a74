//! Metrics of inbound stanzas: counts by outcome, and latency.

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
use crate::kinds::{KIND_COUNT, kind_index};
use crate::metrics::AtomicHistogram;
use crate::reply::Reply;
use crate::slow_handlers::{CalledRoute, RateLimited, RouteStats};
use crate::stanza::Kind;

/// Counts stanzas by kind, type and outcome, and measures their latency.
///
/// The number of counters is fixed. All services of a layer and of its clones share them.
///
/// ```
/// use campanile::layer::MetricsLayer;
/// use campanile::router::Router;
///
/// let metrics = MetricsLayer::new();
/// let router: Router = Router::new().message(|| async { "hello" }).layer(metrics.clone());
/// assert!(metrics.snapshot().counts().all(|(.., count)| count == 0));
/// ```
#[derive(Debug, Clone, Default)]
pub struct MetricsLayer {
    counters: Arc<Counters>,
}

/// A counter for each kind, type and outcome, and a latency histogram for each kind.
#[derive(Debug)]
struct Counters {
    outcomes: [[AtomicU64; Outcome::ALL.len()]; KIND_COUNT],
    latency: [AtomicHistogram; 3],
    slow: SlowRoutes,
}

impl MetricsLayer {
    /// Creates a layer with all counters at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the routes with slow stanzas, sorted by total time, the longest first. A stanza is
    /// slow if its call took at least one millisecond or did not complete when first polled.
    ///
    /// For a deferred reply ([`Deferred`](crate::reply::Reply::Deferred)), only the time until the
    /// handler returns is counted.
    #[must_use]
    pub fn slow_routes(&self) -> Vec<SlowRoute> {
        self.counters.slow.read()
    }

    /// Returns a snapshot of the counters. Counters are loaded one by one, so the snapshot is not
    /// atomic.
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
#[doc(hidden)]
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
        // Created before the inner service is called, so that a panic in the call is counted.
        let counters = Some(Arc::clone(&self.counters));
        let entry = InFlight {
            kind: inbound.kind(),
            since: Instant::now(),
            progress: Progress::FirstPoll(inbound.called_route().clone()),
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
    #[doc(hidden)]
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
        let Poll::Ready(response) = this.inner.poll(cx) else {
            this.entry.is_pending();
            return Poll::Pending;
        };
        let outcome = match &response {
            Ok(Reply::Error(_)) => Outcome::Refused,
            Ok(Reply::Empty) => this.entry.limited().unwrap_or(Outcome::Done),
            Ok(_) => Outcome::Done,
            Err(_) => this.entry.limited().unwrap_or(Outcome::Failed),
        };
        this.entry.close(outcome);
        Poll::Ready(response)
    }
}

/// A stanza that is being handled.
#[derive(Debug)]
struct InFlight {
    kind: Kind,
    since: Instant,
    progress: Progress,
    counters: Option<Arc<Counters>>,
}

#[derive(Debug)]
enum Progress {
    /// The call has not been pending yet.
    FirstPoll(CalledRoute),
    /// The call did not complete when first polled, and had reached this route by then.
    Waited(Option<Arc<RouteStats>>),
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
        if took >= SLOW || matches!(self.progress, Progress::Waited(_)) {
            self.is_slow(&counters, took);
        }
    }
}

impl InFlight {
    /// Returns the outcome of a stanza that a rate limit has rejected, which it does at once.
    fn limited(&self) -> Option<Outcome> {
        let Progress::FirstPoll(called) = &self.progress else {
            return None;
        };
        Some(match called.limited()? {
            RateLimited::Sender => Outcome::SenderLimit,
            RateLimited::Domain => Outcome::DomainLimit,
        })
    }

    /// Keeps the route that the first poll has reached.
    fn is_pending(&mut self) {
        if let Progress::FirstPoll(called) = &self.progress {
            self.progress = Progress::Waited(called.get());
        }
    }

    #[cold]
    fn is_slow(&mut self, counters: &Counters, took: std::time::Duration) {
        let route = match &mut self.progress {
            Progress::FirstPoll(called) => called.get(),
            Progress::Waited(route) => route.take(),
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
    async fn outcomes_are_counted_once() {
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
        assert_eq!(snapshot.counts().map(|(.., count)| count).sum::<u64>(), 8);
        let latencies: Vec<_> = snapshot.latencies().collect();
        let [("iq", iq), ("message", message), ("presence", presence)] = latencies[..] else {
            panic!("{latencies:?}");
        };
        assert_eq!(
            (presence.count(), presence.sum()),
            (2, Duration::from_millis(40))
        );
        assert_eq!(iq.count(), 3);
        assert_eq!(message.count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_stanzas_are_attributed_to_their_route() {
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
    fn panic_is_counted() {
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
        let counts = metrics.snapshot();
        assert_eq!(counts.counts().map(|(.., count)| count).sum::<u64>(), 1);
    }
}
