//! Recording what passes through other components of the process.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
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

/// Records every stanza that passes: around a component's service what comes in, around its writer
/// what goes out.
///
/// ```no_run
/// use campanile::component::Component;
/// use campanile::jid::BareJid;
/// use campanile::router::Router;
/// use campanile_logger::AuditLayer;
/// use campanile_logger::store::{SqliteStore, Store};
///
/// let archive = BareJid::new("shop@logger.example.org")?;
/// let tap = AuditLayer::new(Store::new(SqliteStore::new("logger.db")), archive);
/// let shop = Component::builder("shop.example.org").router(Router::new()).layer(tap.clone()).outbound(tap);
/// # Ok::<_, campanile::jid::Error>(())
/// ```
///
/// What passes is not held up until it is on the disk. While the store takes nothing more, requests
/// are refused with resource-constraint, and what goes out goes out unrecorded: that, and what the
/// disk refuses, is [counted](AuditLayer::lost) and logged. Answers to requests that the component itself
/// makes reach no service: of those only the requests are recorded.
///
/// As a [`Module`] it has no routes; it waits at the end until what passed is on the disk.
#[derive(Debug, Clone)]
pub struct AuditLayer {
    store: Store,
    archive: BareJid,
    lost: Arc<AtomicU64>,
}

impl AuditLayer {
    /// Records into this archive: an address of a logger that has the same store.
    #[must_use]
    pub fn new(store: Store, archive: BareJid) -> Self {
        Self {
            store,
            archive,
            lost: Arc::default(),
        }
    }

    /// How many stanzas passed without being recorded.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Says so the first time, and each time that it has become twice as many.
    fn lose(&self) {
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        if lost.is_power_of_two() {
            tracing::warn!(store = %self.store.name(), archive = %self.archive, lost, "stanzas passed unrecorded");
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

    fn mount(self: Arc<Self>, router: Router) -> Router {
        router
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

/// The service of [`AuditLayer`].
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
        // What cannot be recorded is not done either.
        if let Err(error) = self.layer.record(inbound.stanza()) {
            return Box::pin(ready(Err(error.into())));
        }
        let answer = self.inner.call(inbound);
        Box::pin(async move { answer.await.map_err(Into::into) })
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
