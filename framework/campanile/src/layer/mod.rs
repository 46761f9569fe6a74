//! Layers: what stands around handlers. Ours and tower's are put together in the same way.
//!
//! Every service here is `Service<Inbound, Response = Reply>` with an error that becomes a
//! [`BoxError`](crate::error::BoxError), so any layer of tower fits anywhere without an adapter:
//! around some routes by [`Router::layer`](crate::router::Router::layer), around everything by
//! [`ComponentBuilder::layer`](crate::component::ComponentBuilder::layer).
//!
//! | layer | what it does | what the peer is told |
//! |---|---|---|
//! | [`TraceLayer`] | a span for each stanza, at debug level | – |
//! | [`MetricsLayer`] | counts stanzas and measures how long they take | – |
//! | [`AccessLayer`] | lets in, or keeps out, JIDs and domains | forbidden |
//! | [`RateLayer`] | so many stanzas in so much time from each sender and each domain | policy-violation, to wait |
//! | [`ReceiptsLayer`](crate::receipts::ReceiptsLayer) | confirms messages that were taken (XEP-0184) | – |
//! | [`LoopGuardLayer`] | keeps automatic answers from feeding each other | – |
//! | [`from_fn`] | what an async function says | what it says |
//! | `tower::timeout` | gives up | remote-server-timeout |
//! | `tower::limit`, around a route | waits | – |
//! | `tower::load_shed` around a limit | gives up at once | resource-constraint |
//!
//! Each is a layer, which holds the settings and what is counted, and a service, which it makes.
//! The order from the outside that serves most components: trace, metrics, access, rate, then what
//! limits the work itself.

mod access;
mod bounded_map;
mod from_fn;
mod guard;
mod metrics;
mod rate;
mod response_future;
mod trace;

pub use self::access::{Access, AccessLayer, Rule, RuleError};
pub use self::from_fn::{FromFn, FromFnLayer, Next, from_fn};
pub use self::guard::{LoopGuard, LoopGuardFuture, LoopGuardLayer};
pub use self::metrics::{
    MetricsFuture, MetricsLayer, MetricsService, MetricsSnapshot, Outcome, SlowRoute,
};
pub use self::rate::{Rate, RateLayer, RateLimit, RateLimited};
pub use self::response_future::ResponseFuture;
pub use self::trace::{Trace, TraceLayer};
pub use crate::metrics::Histogram;

/// The bare JID, without copying it.
fn bare(jid: &jid::Jid) -> &str {
    jid.as_str()
        .split_once('/')
        .map_or(jid.as_str(), |(bare, _)| bare)
}
