//! Components: built from a router and modules, and run until they are stopped.

mod app;
mod attempt_log;
mod backoff;
mod builder;
mod cause;
mod lifecycle;
mod reload_handle;
mod run;
mod status;
mod target;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};

pub use self::app::App;
pub use self::builder::{BuildError, ComponentBuilder};
pub use self::reload_handle::{ReloadError, ReloadHandle};
use self::run::{Runner, Stop};
pub use self::status::{RunError, Status};
use crate::client::Client;
use crate::metrics::{Cause, Counters, Gauges, Registry, Requests};

/// A component that is ready to run.
pub struct Component {
    runner: Runner,
    status: watch::Receiver<Status>,
}

impl Component {
    /// Creates a builder for a component on this domain.
    pub fn builder(domain: impl Into<String>) -> ComponentBuilder {
        ComponentBuilder::new(domain.into())
    }

    /// Returns the handle for sending stanzas. It stays valid across reconnects.
    #[must_use]
    pub fn client(&self) -> Client {
        self.runner.client.clone()
    }

    /// Returns a receiver of the connection status, which can be read and awaited.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Returns a handle for reading the metrics, also while the component runs.
    #[must_use]
    pub fn metrics(&self) -> MetricsHandle {
        MetricsHandle {
            counters: Arc::clone(&self.runner.counters),
            client: self.runner.client.clone(),
        }
    }

    /// Returns a handle for replacing routes and modules, also while the component runs.
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

    /// Connects, handles stanzas and reconnects, until the future `stop` completes.
    ///
    /// It then shuts down gracefully: new requests are rejected, calls in progress may complete
    /// within the grace period, and the stream is closed. Dropping the returned future ends the
    /// component immediately.
    ///
    /// # Errors
    /// If the server refuses the component on its first connection, unless
    /// [`keep_trying`](ComponentBuilder::keep_trying) is set, or if the service or a module fails
    /// permanently.
    pub async fn run_until(self, stop: impl Future<Output = ()> + Send) -> Result<(), RunError> {
        let (stop_sender, stop_receiver) = oneshot::channel();
        // Runs in a separate task on a worker thread. Awaited in `block_on`, the component would
        // run outside the workers, and every handler that does not complete immediately would wake
        // another thread.
        let mut running = Running(tokio::spawn(self.runner.run(Stop::new(async move {
            if stop_receiver.await.is_err() {
                // This future is being dropped, and the task is about to be aborted.
                std::future::pending::<()>().await;
            }
        }))));
        tokio::select! {
            ended = &mut running.0 => return outcome(ended).await,
            () = stop => {}
        }
        // The component may have ended in the meantime.
        let _ = stop_sender.send(());
        outcome((&mut running.0).await).await
    }
}

/// The task of a component. It is aborted when the caller stops waiting.
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
        // The task is canceled only when the runtime shuts down, and then this future is never
        // polled again.
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

/// A handle for reading the metrics of a component.
#[derive(Debug, Clone)]
pub struct MetricsHandle {
    counters: Arc<Registry>,
    client: Client,
}

impl MetricsHandle {
    /// Returns a snapshot of all counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters.read()
    }

    /// Returns the current gauges, at most one second old.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        let shared = self.client.shared();
        self.counters
            .gauges
            .read(shared.queue.len(), shared.pending.len())
    }

    /// Returns the causes of lost connections and failed attempts, with their counts.
    #[must_use]
    pub fn causes(&self) -> Vec<(Cause, u64)> {
        self.counters.causes.read()
    }

    /// Returns counts of the IQ requests sent, by outcome.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.client.shared().pending.counters.read()
    }
}
