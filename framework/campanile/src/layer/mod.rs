//! Middleware: tower layers, the layers in this crate, and writing your own.
//!
//! Every service in this module is a `Service<Inbound, Response = Reply>` whose error converts to a
//! [`BoxError`](crate::error::BoxError). Any tower layer can therefore be applied without an
//! adapter: to some routes with [`Router::layer`](crate::router::Router::layer), or to the whole
//! component with [`ComponentBuilder::layer`](crate::component::ComponentBuilder::layer).
//!
//! | layer | purpose | error sent to the peer |
//! |---|---|---|
//! | [`TraceLayer`] | opens a debug span for each stanza | – |
//! | [`MetricsLayer`] | counts stanzas and measures latency | – |
//! | [`AccessLayer`] | allows or denies JIDs and domains | `forbidden` |
//! | [`RateLayer`] | limits the rate of each sender or domain | `policy-violation`, type `wait` |
//! | [`ReceiptsLayer`] | sends delivery receipts (XEP-0184) for accepted messages | – |
//! | [`LoopGuardLayer`] | stops reply loops between bots | – |
//! | [`from_fn`] | runs an async function | chosen by the function |
//! | `tower::timeout` | cancels slow calls | `remote-server-timeout` |
//! | `tower::limit`, applied to a route | limits concurrency; calls wait | – |
//! | `tower::load_shed`, applied to a limit | rejects excess calls | `resource-constraint` |
//!
//! A layer holds the settings and the counters, and is cheap to clone. The service it creates
//! shares them. A suitable order for most components, from the outermost to the innermost, is:
//! trace, metrics, access, rate, then limits on the work itself.
//!
//! [`ReceiptsLayer`]: crate::receipts::ReceiptsLayer

mod access;
mod bounded_map;
mod from_fn;
mod gate;
mod guard;
mod metrics;
mod rate;
mod response_future;
mod trace;

pub use self::access::{AccessLayer, Rule, RuleError};
pub use self::from_fn::{FromFn, FromFnLayer, Next, from_fn};
pub use self::gate::{Gate, Gated};
pub use self::guard::{LoopGuard, LoopGuardFuture, LoopGuardLayer};
pub use self::metrics::{
    MetricsFuture, MetricsLayer, MetricsService, MetricsSnapshot, Outcome, SlowRoute,
};
pub use self::rate::{RateLayer, RateLimit};
pub use self::response_future::ResponseFuture;
pub use self::trace::{Trace, TraceLayer};
pub use crate::metrics::Histogram;
