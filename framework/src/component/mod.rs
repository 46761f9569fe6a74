//! A component: built from a router and modules, run until it is told to stop.

mod backoff;
mod builder;
mod cause;
mod lifecycle;
mod run;
mod status;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;
use tower::util::BoxService;

pub use self::builder::{BuildError, Builder};
use self::run::{Runner, Stop};
pub use self::status::{RunError, RunErrorKind, Status};
use crate::client::Client;
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::reply::Reply;
use crate::stats::{Counters, Stats};

/// The whole service of a component, boxed once at its outermost layer.
pub(crate) type App = BoxService<Inbound, Reply, BoxError>;

/// A component that is ready to run.
pub struct Component {
    runner: Runner,
    status: watch::Receiver<Status>,
}

impl Component {
    /// Begins a component that will be mounted on this domain.
    pub fn builder(domain: impl Into<String>) -> Builder {
        Builder::new(domain.into())
    }

    /// The handle to send with. It stays valid across reconnects.
    #[must_use]
    pub fn client(&self) -> Client {
        self.runner.client.clone()
    }

    /// Where the component stands, now and later.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// A handle to read the counters with, also while the component runs.
    #[must_use]
    pub fn stats(&self) -> StatsHandle {
        StatsHandle { counters: Arc::clone(&self.runner.counters) }
    }

    /// Runs until the process ends.
    ///
    /// # Errors
    /// See [`run_until`](Component::run_until).
    pub async fn run(self) -> Result<(), RunError> {
        self.run_until(std::future::pending()).await
    }

    /// Connects, serves, and connects again, until `stop` is ready. Then requests are refused, what was begun is
    /// finished within the grace period, and the stream is closed. Dropping the future ends all at once.
    ///
    /// # Errors
    /// [`RunErrorKind::Refused`] when the server refuses the component and never took it, unless the builder was
    /// told to [keep trying](Builder::keep_trying); [`RunErrorKind::Service`] when the service fails for good.
    pub async fn run_until(self, stop: impl Future<Output = ()> + Send) -> Result<(), RunError> {
        let stop = std::pin::pin!(stop);
        self.runner.run(Stop::new(stop)).await
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("domain", &self.runner.domain).field("server", &self.runner.server).finish()
    }
}

/// Reads the counters of a component.
#[derive(Debug, Clone)]
pub struct StatsHandle {
    counters: Arc<Counters>,
}

impl StatsHandle {
    /// A reading of all counters.
    #[must_use]
    pub fn read(&self) -> Stats {
        self.counters.read()
    }
}
