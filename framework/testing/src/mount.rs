//! Components that run in the background of a test.

use std::ops::Deref;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};

use super::{TIMEOUT, Wire};
use crate::host::{Host, User};
use campanile::client::Client;
use campanile::component::{
    Component, ComponentBuilder, MetricsHandle, ReloadHandle, RunError, Status,
};
use campanile::metrics::Counters;

/// Time limit for reconnecting: longer than any default retry delay.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(200);

/// A component that runs in a background task until dropped.
#[derive(Debug)]
pub struct Running {
    client: Client,
    reload_handle: ReloadHandle,
    stats: MetricsHandle,
    status: watch::Receiver<Status>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), RunError>>,
}

/// A component connected to its own [`Host`] through a [`Wire`].
///
/// Dereferences to [`Running`].
#[derive(Debug)]
pub struct Mounted {
    host: Host,
    wire: Wire,
    running: Running,
}

/// Runs a component on this domain and waits until it is connected.
///
/// The closure completes the builder, at least with a router or a service.
///
/// # Panics
/// If the component cannot be built, or does not connect in time.
pub async fn mount(
    domain: &str,
    complete: impl FnOnce(ComponentBuilder) -> ComponentBuilder,
) -> Mounted {
    let host = Host::new("s3cr3t");
    let wire = Wire::new(host.connector());
    let builder = Component::builder(domain)
        .connector(wire.connector())
        .secret("s3cr3t");
    let running = start(complete(builder));
    running.mounted().await;
    Mounted {
        host,
        wire,
        running,
    }
}

/// Runs a component in a background task.
///
/// # Panics
/// If the component cannot be built.
#[must_use]
pub fn start(builder: ComponentBuilder) -> Running {
    let component = builder
        .build()
        .unwrap_or_else(|error| panic!("cannot build the component: {error}"));
    let (stop, stopped) = oneshot::channel();
    let client = component.client();
    let reload_handle = component.reload_handle();
    let stats = component.metrics();
    let status = component.status();
    let task = tokio::spawn(component.run_until(async {
        // The sender is only dropped when the task is aborted anyway.
        let _ = stopped.await;
    }));
    Running {
        client,
        reload_handle,
        stats,
        status,
        stop: Some(stop),
        task,
    }
}

impl Running {
    /// Returns the component's client.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Returns the handle that replaces the component's service.
    #[must_use]
    pub fn reload_handle(&self) -> ReloadHandle {
        self.reload_handle.clone()
    }

    /// Returns the handle to counters, gauges and errors.
    #[must_use]
    pub fn metrics(&self) -> MetricsHandle {
        self.stats.clone()
    }

    /// Returns a snapshot of the component's counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.stats.counters()
    }

    /// Returns the current status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Waits until the status satisfies the predicate, and returns it.
    ///
    /// # Panics
    /// If it does not in time.
    pub async fn until(&self, wanted: impl FnMut(&Status) -> bool) -> Status {
        let mut status = self.status.clone();
        match timeout(RECONNECT_TIMEOUT, status.wait_for(wanted)).await {
            Ok(Ok(found)) => found.clone(),
            _ => panic!("the status was not reached: {:?}", self.status()),
        }
    }

    /// Waits until the component is connected and authenticated.
    ///
    /// # Panics
    /// If it does not connect in time.
    pub async fn mounted(&self) {
        self.until(|status| matches!(status, Status::Mounted { .. }))
            .await;
    }

    /// Waits until the counters satisfy the predicate.
    ///
    /// # Panics
    /// If they do not within [`TIMEOUT`].
    pub async fn counted(&self, mut wanted: impl FnMut(&Counters) -> bool) {
        let counted = timeout(TIMEOUT, async {
            while !wanted(&self.counters()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(
            counted.await.is_ok(),
            "the counters were not reached: {:?}",
            self.counters()
        );
    }

    /// Starts a graceful shutdown, as SIGTERM does in the daemon.
    pub fn stop(&mut self) {
        // The receiver is gone if the component has already ended.
        let _ = self.stop.take().map(|stop| stop.send(()));
    }

    /// Waits until the component ends, and returns its result.
    ///
    /// # Errors
    /// As [`Component::run_until`].
    ///
    /// # Panics
    /// If the component panicked, or does not end in time.
    pub async fn ended(&mut self) -> Result<(), RunError> {
        match timeout(RECONNECT_TIMEOUT, &mut self.task).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => panic!("the component panicked: {error}"),
            Err(_) => panic!("the component did not end: {:?}", self.status()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mounted {
    /// Returns the host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the connection between component and host, for fault injection.
    #[must_use]
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Connects a virtual user, which is online until dropped.
    ///
    /// # Panics
    /// If `jid` is not the address of a user, or is already online.
    #[must_use]
    #[track_caller]
    pub fn user(&self, jid: &str) -> User {
        self.host
            .user(jid)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Returns the running component, for methods that take `&mut self`, such as [`Running::stop`].
    pub fn running(&mut self) -> &mut Running {
        &mut self.running
    }
}

impl Deref for Mounted {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}
