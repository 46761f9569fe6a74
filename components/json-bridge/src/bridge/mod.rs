//! The bridge module: registers routes for each bot and runs delivery, API and broker behind them.

mod accept;
mod ask;
mod open;
mod receipt;
mod replay;
mod routes;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use campanile::client::{Client, ResponseForwarder};
use campanile::error::{BoxError, Condition};
use campanile::metrics::Metric;
use campanile::module::Module;
use campanile::router::{RecipientPattern, Router};
use tokio::task::JoinSet;

use crate::api;
use crate::exposition;
use crate::metrics::{BridgeMetrics, Metrics};
use crate::nats::PeerResponses;
use crate::outbox::Outbox;
use crate::settings::Settings;
use crate::state::Running;
use crate::webhook;

/// The module that connects bots to web handlers.
///
/// Mount it with `Component::builder(…).module(bridge)`, or with `modules` to keep a handle
/// for [`snapshot`](Self::snapshot).
pub struct Bridge {
    settings: Settings,
    running: OnceLock<Arc<Running>>,
    /// IQ responses that belong to other bridges on the same JID, forwarded through the broker.
    peer_responses: Arc<PeerResponses>,
    metrics: Arc<Metrics>,
    tasks: tokio::sync::Mutex<JoinSet<()>>,
    listening: OnceLock<SocketAddr>,
}

impl std::fmt::Debug for Bridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bridge")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Bridge {
    /// Creates a bridge with the given settings.
    ///
    /// Files are opened and ports are bound when the component starts.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let metrics = Arc::default();
        let tasks = tokio::sync::Mutex::default();
        let peer_responses = Arc::new(PeerResponses::new(Arc::clone(&metrics)));
        Self {
            settings,
            running: OnceLock::new(),
            peer_responses,
            metrics,
            tasks,
            listening: OnceLock::new(),
        }
    }

    /// Returns a snapshot of the counters since the start.
    ///
    /// Counters are loaded one by one, so the snapshot is not atomic.
    #[must_use]
    pub fn snapshot(&self) -> BridgeMetrics {
        self.metrics.snapshot()
    }

    /// Returns the number of messages that are waiting for webhooks or being delivered.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.running
            .get()
            .map_or(0, |running| running.delivery.quota.count())
    }

    /// Returns the size in bytes of the [waiting](Self::waiting) messages, counting both their XML
    /// and their JSON.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.running
            .get()
            .map_or(0, |running| running.delivery.quota.bytes())
    }

    /// Returns the address on which the HTTP API listens, or `None` before it has started.
    #[must_use]
    pub fn listening(&self) -> Option<SocketAddr> {
        self.listening.get().copied()
    }

    /// Spawns a task whose panic is counted and logged.
    fn spawn(&self, work: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let metrics = Arc::clone(&self.metrics);
        tokio::spawn(async move { metrics.tasks.catch(work, future).await });
    }

    /// Returns what an operator should know before the bridge starts.
    async fn remarks(&self) -> Result<Vec<String>, BoxError> {
        #[cfg_attr(not(feature = "nats"), allow(unused_mut, reason = "extended with it"))]
        let mut remarks = webhook::remarks(&self.settings.bots).await?;
        #[cfg(feature = "nats")]
        if let Some(nats) = &self.settings.nats {
            remarks.extend(crate::nats::remark(nats).await);
        }
        Ok(remarks)
    }

    fn running(&self) -> Result<&Arc<Running>, BoxError> {
        self.running
            .get()
            .ok_or_else(|| Condition::ServiceUnavailable.into())
    }
}

#[async_trait]
impl Module for Bridge {
    fn name(&self) -> &'static str {
        "json-bridge"
    }

    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
        self.settings.bots.iter().try_fold(router, |router, bot| {
            let routes = self.routes(&Arc::new(bot.clone()))?;
            Ok(match bot.localpart.as_deref() {
                Some(localpart) => {
                    router.try_at(RecipientPattern::localpart(localpart)?, routes)?
                }
                None => router.try_merge(routes)?,
            })
        })
    }

    fn response_forwarder(self: Arc<Self>) -> Option<Arc<dyn ResponseForwarder>> {
        self.settings
            .nats
            .as_ref()
            .map(|_| Arc::clone(&self.peer_responses) as Arc<dyn ResponseForwarder>)
    }

    fn metrics(&self) -> Vec<Metric> {
        exposition::collect(&self.snapshot(), self.waiting(), self.settings.max_waiting)
    }

    async fn check(&self) -> Result<Vec<String>, BoxError> {
        if let Some(api) = &self.settings.api {
            let bound = tokio::net::TcpListener::bind(api.listen).await;
            bound.map_err(|error| format!("API: {}: {error}", api.listen))?;
        }
        if let Some(path) = self.settings.outbox.clone() {
            let shown = path.display().to_string();
            let examined = tokio::task::spawn_blocking(move || Outbox::examine(&path)).await?;
            examined.map_err(|error| format!("outbox {shown}: {error}"))?;
        }
        self.remarks().await
    }

    async fn start(&self, client: Client) -> Result<(), BoxError> {
        let mut tasks = self.tasks.lock().await;
        let running = self.open(client, &mut tasks).await?;
        if let Some(api) = &self.settings.api {
            let (address, serving) = api::serve(api, Arc::clone(&running)).await?;
            tracing::info!(%address, "HTTP API started");
            // This is the first call: a component starts once.
            let _ = self.listening.set(address);
            tasks.spawn(serving);
        }
        if let Some(outbox) = running.outbox.clone() {
            replay::resume(&running, &outbox)?;
            let polled = Arc::clone(&running);
            let metrics = Arc::clone(&self.metrics);
            tasks.spawn(async move {
                let poll = || async {
                    replay::poll(&polled, &outbox).await;
                    Ok(())
                };
                metrics.tasks.until_ok("outbox poll", poll).await;
            });
        }
        let _ = self.running.set(running);
        Ok(())
    }

    async fn stop(&self) {
        self.tasks.lock().await.abort_all();
        if let Some(outbox) = self
            .running
            .get()
            .and_then(|running| running.outbox.as_ref())
        {
            outbox.flush().await;
        }
    }
}
