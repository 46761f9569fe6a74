//! Rate limiting by sender or domain.

mod bucket;

use std::error::Error;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jid::Jid;
use tower_layer::Layer;

use self::bucket::{Buckets, Decision};
use super::gate::{Gate, Gated};
use crate::address::{bare, canonical};
use crate::error::{BoxError, Condition, ErrorType, StanzaError};
use crate::inbound::Inbound;
use crate::reply::Reply;
use crate::slow_handlers;

/// Number of senders or domains that are tracked. Beyond it, the most idle one is dropped.
const TABLE: usize = 4096;

/// A rate limit: a token bucket that holds `burst` tokens and refills within `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Maximum number of stanzas at once.
    pub burst: NonZeroU32,
    /// Time in which an empty bucket refills.
    pub per: Duration,
}

impl RateLimit {
    /// Creates a limit of `burst` stanzas per `per`. Zero counts as one.
    #[must_use]
    pub fn new(burst: u32, per: Duration) -> Self {
        Self {
            burst: NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN),
            per,
        }
    }
}

/// Limits the rate of stanzas from one bare JID, or from all JIDs of one domain.
///
/// A stanza over the limit is rejected with `policy-violation` of type `wait`. Every IQ request
/// gets this error; for other stanzas, each sender or domain gets at most one error per second, and
/// one line is logged with it. The stanzas above it vanish without an error: senders see that one
/// error, and [`MetricsLayer`](super::MetricsLayer) counts each of them.
/// Memory use is fixed.
///
/// A limit on domains restrains a party that sends from many addresses. Apply it inside the limit
/// on senders, so that stanzas rejected by the sender's own limit do not count against its domain.
///
/// All services of a layer and of its clones share one limit.
///
/// ```
/// use std::time::Duration;
///
/// use campanile::layer::{RateLayer, RateLimit};
/// use campanile::router::Router;
///
/// let second = Duration::from_secs(1);
/// let router: Router = Router::new()
///     .message(|| async { "hello" })
///     .layer(RateLayer::per_domain(RateLimit::new(1000, second)))
///     .layer(RateLayer::per_sender(RateLimit::new(20, second)));
/// ```
#[derive(Debug, Clone)]
pub struct RateLayer {
    limiter: Arc<Limiter>,
}

#[derive(Debug)]
struct Limiter {
    key: fn(&Jid) -> &str,
    limited: slow_handlers::RateLimited,
    buckets: Mutex<Buckets>,
    refused: AtomicU64,
}

impl RateLayer {
    /// Limits each bare JID.
    #[must_use]
    pub fn per_sender(limit: RateLimit) -> Self {
        Self::new(bare, slow_handlers::RateLimited::Sender, limit)
    }

    /// Limits each domain, counting all its JIDs together.
    #[must_use]
    pub fn per_domain(limit: RateLimit) -> Self {
        let domain = slow_handlers::RateLimited::Domain;
        Self::new(|sender| sender.domain().as_str(), domain, limit)
    }

    /// Returns the number of stanzas rejected so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.limiter.refused.load(Ordering::Relaxed)
    }

    fn new(key: fn(&Jid) -> &str, limited: slow_handlers::RateLimited, limit: RateLimit) -> Self {
        let limiter = Limiter {
            key,
            limited,
            buckets: Mutex::new(Buckets::new(TABLE, limit)),
            refused: AtomicU64::new(0),
        };
        Self {
            limiter: Arc::new(limiter),
        }
    }
}

impl<S> Layer<S> for RateLayer {
    type Service = Gated<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Gated::new(inner, self.clone())
    }
}

impl Gate for RateLayer {
    fn check(&self, inbound: &Inbound) -> Option<Result<Reply, BoxError>> {
        let decision = self.limiter.acquire(inbound.sender());
        if decision == Decision::Pass {
            return None;
        }
        inbound.called_route().set_limited(self.limiter.limited);
        if decision == Decision::Refuse {
            tracing::warn!(
                sender = (self.limiter.key)(inbound.sender()),
                limit = self.limiter.limited.name(),
                "stanza rejected by the rate limit; more of this second get no error"
            );
        }
        match decision {
            Decision::Pass => None,
            // Every IQ request must be answered (RFC 6120 §8.2.3). Other stanzas must not cause a
            // flood of errors.
            Decision::RefuseSilently if !inbound.kind().is_request() => Some(Ok(Reply::Empty)),
            Decision::Refuse | Decision::RefuseSilently => Some(Err(RateLimited::new().into())),
        }
    }
}

impl Limiter {
    fn acquire(&self, sender: &Jid) -> Decision {
        // No code that can panic runs under this lock, so the state of a poisoned lock is valid.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = buckets.acquire(&canonical((self.key)(sender)));
        if verdict != Decision::Pass {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        verdict
    }
}

/// A sender or its domain exceeded the rate limit.
#[derive(Debug)]
struct RateLimited {
    error: StanzaError,
}

impl RateLimited {
    fn new() -> Self {
        Self {
            error: StanzaError::new(Condition::PolicyViolation)
                .with_type(ErrorType::Wait)
                .with_text("too fast")
                .with_lang("en"),
        }
    }
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rate limit exceeded")
    }
}

impl Error for RateLimited {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use tower_service::Service;

    use super::*;
    use crate::layer::MetricsLayer;
    use crate::router::Router;
    use crate::test_util::{answer, call};

    fn routes() -> Router {
        Router::new()
            .message(|| async { "taken" })
            .iq_get("urn:x", || async {})
    }

    fn message(from: &str) -> String {
        format!("<message id='1' from='{from}'><body>hi</body></message>")
    }

    fn taken(
        service: &mut impl Service<Inbound, Response = Reply, Error = BoxError>,
        from: &str,
    ) -> bool {
        matches!(call(service, &message(from)), Ok(Reply::Children(_)))
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn sender_limit_refills_over_time() {
        let layer = RateLayer::per_sender(RateLimit::new(3, SECOND));
        let mut service = layer.layer(routes());
        let from = ["a@x.org/1", "a@x.org/2", "a@x.org", "a@x.org/1"];
        assert_eq!(
            from.map(|from| taken(&mut service, from)),
            [true, true, true, false]
        );
        assert!(taken(&mut service, "b@x.org"));
        tokio::time::advance(SECOND / 3).await;
        assert_eq!(
            from.map(|from| taken(&mut service, from)),
            [true, false, false, false]
        );
        tokio::time::advance(SECOND * 10).await;
        assert_eq!(
            from.map(|from| taken(&mut service, from)),
            [true, true, true, false]
        );
        assert_eq!(layer.refused(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn limited_stanzas_have_an_outcome_of_their_own() {
        let metrics = MetricsLayer::new();
        let sender = RateLayer::per_sender(RateLimit::new(1, SECOND));
        let domain = RateLayer::per_domain(RateLimit::new(1, SECOND));
        let mut service = metrics.layer(sender.layer(domain.layer(routes())));
        for from in ["a@x.org", "a@x.org", "a@x.org", "b@x.org"] {
            let _ = call(&mut service, &message(from));
        }
        let counts: Vec<_> = metrics
            .snapshot()
            .counts()
            .filter(|(.., count)| *count > 0)
            .map(|(_, outcome, count)| (outcome.as_str(), count))
            .collect();
        let expected = [("done", 1), ("sender_limit", 2), ("domain_limit", 1)];
        assert_eq!(counts, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn domain_limit_covers_all_senders() {
        let layer = RateLayer::per_sender(RateLimit::new(1, SECOND));
        let mut service =
            layer.layer(RateLayer::per_domain(RateLimit::new(2, SECOND)).layer(routes()));
        let from = ["a@x.org", "a@x.org", "b@x.org", "c@x.org", "a@y.org"];
        assert_eq!(
            from.map(|from| taken(&mut service, from)),
            [true, false, true, false, true]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn requests_always_get_an_error_and_messages_once_per_second() {
        let layer = RateLayer::per_sender(RateLimit::new(1, SECOND * 100));
        let mut service = layer.layer(routes());
        assert!(taken(&mut service, "a@x.org"));
        let refused = "<message from='bot.localhost' to='a@x.org' id='1' type='error'><error \
            type='wait'>\
            <policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
            <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>too \
            fast</text></error></message>";
        assert_eq!(answer(&mut service, &message("a@x.org")), refused);
        assert_eq!(answer(&mut service, &message("a@x.org")), "");
        let request = "<iq type='get' id='1' from='a@x.org'><q xmlns='urn:x'/></iq>";
        for _ in 0..2 {
            let reply = answer(&mut service, request);
            assert!(
                reply.contains("<policy-violation") && reply.starts_with("<iq"),
                "{reply}"
            );
        }
        tokio::time::advance(SECOND).await;
        assert_eq!(answer(&mut service, &message("a@x.org")), refused);
    }

    #[tokio::test(start_paused = true)]
    async fn clones_share_the_limit() {
        let layer = RateLayer::per_sender(RateLimit::new(1, SECOND));
        let mut one = layer.layer(routes());
        let mut others = (one.clone(), layer.clone().layer(routes()));
        assert!(taken(&mut one, "a@x.org"));
        assert!(!taken(&mut others.0, "a@x.org"));
        assert!(!taken(&mut others.1, "a@x.org"));
    }
}
