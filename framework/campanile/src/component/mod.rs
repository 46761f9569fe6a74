//! A component: built from a router and modules, run until it is told to stop.

mod backoff;
mod builder;
mod cause;
mod lifecycle;
mod reload_handle;
mod run;
mod status;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tower::util::BoxService;

pub use self::builder::{BuildError, ComponentBuilder};
pub use self::reload_handle::{ReloadError, ReloadHandle};
use self::run::{Runner, Stop};
pub use self::status::{RunError, RunErrorKind, Status};
use crate::client::Client;
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::metrics::{Cause, Counters, Gauges, Registry, Requests};
use crate::reply::Reply;

/// The whole service of a component, boxed once at its outermost layer.
pub(crate) type App = BoxService<Inbound, Reply, BoxError>;

/// A component that is ready to run.
pub struct Component {
    runner: Runner,
    status: watch::Receiver<Status>,
}

impl Component {
    /// Begins a component that will be mounted on this domain.
    pub fn builder(domain: impl Into<String>) -> ComponentBuilder {
        ComponentBuilder::new(domain.into())
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
    pub fn metrics(&self) -> MetricsHandle {
        MetricsHandle {
            counters: Arc::clone(&self.runner.counters),
            client: self.runner.client.clone(),
        }
    }

    /// A handle to replace what the component does, also while it runs.
    #[must_use]
    pub fn reload_handle(&self) -> ReloadHandle {
        ReloadHandle::new(&self.runner)
    }

    /// Runs until the process ends.
    ///
    /// # Errors
    /// See [`run_until`](Component::run_until).
    pub async fn run(self) -> Result<(), RunError> {
        self.run_until(std::future::pending()).await
    }

    /// Connects, serves, and connects again, until `stop` is ready. Then requests are refused, what
    /// was begun is finished within the grace period, and the stream is closed. Dropping the future
    /// ends all at once.
    ///
    /// # Errors
    /// [`RunErrorKind::Refused`] when the server refuses the component and never took it, unless
    /// the builder was told to [keep trying](Builder::keep_trying); [`RunErrorKind::Service`] when
    /// the service fails for good.
    pub async fn run_until(self, stop: impl Future<Output = ()> + Send) -> Result<(), RunError> {
        let (tell, told) = oneshot::channel();
        // A task of its own, on a worker of the runtime: awaited in `block_on` the component would
        // live outside of the workers, and every handler that is not done at once would wake a
        // thread and be waited for by another.
        let mut running = Running(tokio::spawn(self.runner.run(Stop::new(async move {
            if told.await.is_err() {
                // Dropped without a word: the task is about to be aborted.
                std::future::pending::<()>().await;
            }
        }))));
        tokio::select! {
            ended = &mut running.0 => return outcome(ended).await,
            () = stop => {}
        }
        // It may have ended by itself meanwhile.
        let _ = tell.send(());
        outcome((&mut running.0).await).await
    }
}

/// The task of a component, which ends with whoever waits for it.
struct Running(JoinHandle<Result<(), RunError>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn outcome(ended: Result<Result<(), RunError>, JoinError>) -> Result<(), RunError> {
    match ended.map_err(JoinError::try_into_panic) {
        Ok(ended) => ended,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // Only the end of the runtime aborts the task, and that is the end of who waits here, too.
        Err(Err(_)) => std::future::pending().await,
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("domain", &self.runner.domain)
            .finish_non_exhaustive()
    }
}

/// Reads the counters of a component.
#[derive(Debug, Clone)]
pub struct MetricsHandle {
    counters: Arc<Registry>,
    client: Client,
}

impl MetricsHandle {
    /// A reading of all counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters.read()
    }

    /// What waits now, at most a second old.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        let shared = self.client.shared();
        self.counters
            .gauges
            .read(shared.queue.len(), shared.pending.len())
    }

    /// Why links ended and attempts failed, and how often.
    #[must_use]
    pub fn causes(&self) -> Vec<(Cause, u64)> {
        self.counters.causes.read()
    }

    /// What became of the IQ requests that the component made.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.client.shared().pending.counters.read()
    }
}
