//! Components that run while a test looks at them.

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

/// Longer than any wait before a component connects again, but for the slowest.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(200);

/// A component that runs in a task, until dropped.
#[derive(Debug)]
pub struct Running {
    client: Client,
    reload_handle: ReloadHandle,
    stats: MetricsHandle,
    status: watch::Receiver<Status>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), RunError>>,
}

/// A component mounted on a host of its own, with a [`Wire`] in between.
#[derive(Debug)]
pub struct Mounted {
    host: Host,
    wire: Wire,
    running: Running,
}

/// Mounts a component on this domain. The closure completes it, with a router or a service at the
/// least.
///
/// # Panics
/// When the component cannot be built, or is not mounted in time.
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

/// Runs a component.
///
/// # Panics
/// When the component cannot be built.
#[must_use]
pub fn start(builder: ComponentBuilder) -> Running {
    let component = builder
        .build()
        .unwrap_or_else(|error| panic!("the component cannot be built: {error}"));
    let (stop, stopped) = oneshot::channel();
    let client = component.client();
    let reload_handle = component.reload_handle();
    let stats = component.metrics();
    let status = component.status();
    let task = tokio::spawn(component.run_until(async {
        // Dropped without a word, the task is aborted anyway.
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
    /// The handle that the component sends with.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// What replaces what the component does.
    #[must_use]
    pub fn reload_handle(&self) -> ReloadHandle {
        self.reload_handle.clone()
    }

    /// Counters, levels and causes.
    #[must_use]
    pub fn metrics(&self) -> MetricsHandle {
        self.stats.clone()
    }

    /// What the component has counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.stats.counters()
    }

    /// Where the component stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Waits until the component stands as wanted, and gives that status back.
    ///
    /// # Panics
    /// When it does not come to that in time.
    pub async fn until(&self, wanted: impl FnMut(&Status) -> bool) -> Status {
        let mut status = self.status.clone();
        match timeout(RECONNECT_TIMEOUT, status.wait_for(wanted)).await {
            Ok(Ok(found)) => found.clone(),
            _ => panic!("the component does not get there: {:?}", self.status()),
        }
    }

    /// Waits until the component is mounted.
    ///
    /// # Panics
    /// When it is not in time.
    pub async fn mounted(&self) {
        self.until(|status| matches!(status, Status::Mounted { .. }))
            .await;
    }

    /// Waits until the counters are as wanted.
    ///
    /// # Panics
    /// When they are not in time.
    pub async fn counted(&self, mut wanted: impl FnMut(&Counters) -> bool) {
        let counted = timeout(TIMEOUT, async {
            while !wanted(&self.counters()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(
            counted.await.is_ok(),
            "the component does not count so far: {:?}",
            self.counters()
        );
    }

    /// Tells the component to stop, as SIGTERM does.
    pub fn stop(&mut self) {
        // The receiver is gone when the component has ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
    }

    /// Waits for the end, and gives back how it ended.
    ///
    /// # Errors
    /// As [`Component::run_until`].
    ///
    /// # Panics
    /// When the component panicked, or does not end in time.
    pub async fn ended(&mut self) -> Result<(), RunError> {
        match timeout(RECONNECT_TIMEOUT, &mut self.task).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => panic!("the component did not end by itself: {error}"),
            Err(_) => panic!("the component does not end: {:?}", self.status()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mounted {
    /// The host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The connection between component and host.
    #[must_use]
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// A virtual user, online until dropped.
    ///
    /// # Panics
    /// When that is no address of a user, or taken.
    #[must_use]
    #[track_caller]
    pub fn user(&self, jid: &str) -> User {
        self.host
            .user(jid)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The component, to stop it.
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
