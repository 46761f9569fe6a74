//! Recording the traffic of other components in the same process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use campanile::client::Client;
use campanile::error::{BoxError, StanzaError};
use campanile::handler::ReplyFuture;
use campanile::inbound::Inbound;
use campanile::jid::BareJid;
use campanile::module::Module;
use campanile::reply::Reply;
use campanile::router::Router;
use campanile::stanza::Stanza;
use campanile::tower_layer::Layer;
use campanile::tower_service::Service;

use crate::new_entry::NewEntry;
use crate::store::{Completion, Store};

/// A middleware that archives the stanzas of a component: inbound ones around its service, outbound
/// ones around its writer.
///
/// ```no_run
/// use campanile::component::Component;
/// use campanile::jid::BareJid;
/// use campanile::router::Router;
/// use campanile_logger::AuditLayer;
/// use campanile_logger::store::{SqliteStore, Store};
///
/// let archive = BareJid::new("shop@logger.example.org")?;
/// let audit = AuditLayer::new(Store::new(SqliteStore::new("logger.db")), archive);
/// let shop = Component::builder("shop.example.org")
///     .router(Router::new())
///     .layer(audit.clone())
///     .outbound(audit);
/// # Ok::<_, campanile::jid::Error>(())
/// ```
///
/// Stanzas are forwarded without waiting for the disk. While the store's write queue is full,
/// inbound requests are rejected with `resource-constraint`, and outbound stanzas are sent
/// unrecorded. Unrecorded stanzas, including those that could not be written, are
/// [counted](AuditLayer::lost) and logged. Responses to requests made by the component itself do
/// not pass through its service: only the requests are recorded.
///
/// As a [`Module`] it has no routes; on shutdown it waits until all recorded stanzas are on disk.
#[derive(Debug, Clone)]
pub struct AuditLayer {
    store: Store,
    archive: BareJid,
    lost: Arc<AtomicU64>,
}

impl AuditLayer {
    /// Records into an archive: the address of a logger on the same store.
    #[must_use]
    pub fn new(store: Store, archive: BareJid) -> Self {
        Self {
            store,
            archive,
            lost: Arc::default(),
        }
    }

    /// Returns the number of stanzas that were not recorded.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Counts an unrecorded stanza; logs the first one and each doubling.
    fn lose(&self) {
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        if lost.is_power_of_two() {
            tracing::warn!(
                store = %self.store.name(),
                archive = %self.archive,
                lost,
                "stanzas not recorded"
            );
        }
    }

    fn record(&self, stanza: &Stanza) -> Result<(), StanzaError> {
        let Some(new_entry) = NewEntry::new(&self.archive, stanza) else {
            return Ok(());
        };
        self.store
            .append(new_entry, Completion::Count(Arc::clone(&self.lost)))
            .map_err(|error| error.to_stanza_error())
    }
}

#[async_trait]
impl Module for AuditLayer {
    fn name(&self) -> &'static str {
        "tap"
    }

    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
        Ok(router)
    }

    async fn check(&self) -> Result<Vec<String>, BoxError> {
        let checked = self.store.check().await;
        checked.map_err(|error| format!("{}: {error}", self.store.name()))?;
        Ok(Vec::new())
    }

    async fn start(&self, _client: Client) -> Result<(), BoxError> {
        // An archive that cannot be opened must not show only when the first stanza is lost.
        self.store.at_start(self.store.write(|_| Ok(())).await)
    }

    async fn stop(&self) {
        self.store.flush().await;
    }
}

impl<S> Layer<S> for AuditLayer {
    type Service = Audit<S>;

    fn layer(&self, inner: S) -> Audit<S> {
        Audit {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service created by [`AuditLayer`].
#[derive(Debug, Clone)]
pub struct Audit<S> {
    inner: S,
    layer: AuditLayer,
}

impl<S> Service<Inbound> for Audit<S>
where
    S: Service<Inbound, Response = Reply>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Reply;
    type Error = BoxError;
    type Future = ReplyFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, inbound: Inbound) -> ReplyFuture {
        // A request that cannot be recorded is not handled.
        if let Err(error) = self.layer.record(inbound.stanza()) {
            return ReplyFuture::ready(Err(error.into()));
        }
        let answer = self.inner.call(inbound);
        ReplyFuture::new(async move { answer.await.map_err(Into::into) })
    }
}

impl<S> Service<Stanza> for Audit<S>
where
    S: Service<Stanza, Response = ()>,
{
    type Response = ();
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, stanza: Stanza) -> S::Future {
        if self.layer.record(&stanza).is_err() {
            self.layer.lose();
        }
        self.inner.call(stanza)
    }
}
