//! The components of this process: what each is made of, and how it is doing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use campanile::component::{Component, MetricsHandle, ReloadHandle, Status};
use campanile::error::BoxError;
use campanile::jid::BareJid;
use campanile::layer::MetricsLayer;
use tokio::sync::watch;

use super::lock::Lock;
use crate::build::{self, ModuleSet};
use crate::config;

/// How old the last proof may be that stanzas reach a component, where somebody can ask whether it
/// is ready.
const FRESH: Duration = Duration::from_secs(10);

/// All components, in the order of the file.
#[derive(Debug)]
pub(crate) struct Registry {
    handles: RwLock<Vec<Arc<ComponentHandle>>>,
    pub(crate) began: Instant,
    /// Somebody can ask at any time whether they are ready.
    watched: bool,
}

/// One component, as long as it is part of the configuration.
#[derive(Debug)]
pub(crate) struct ComponentHandle {
    pub(crate) jid: BareJid,
    pub(crate) metrics: MetricsLayer,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) stats: MetricsHandle,
    pub(super) reload_handle: ReloadHandle,
    pub(super) stop: watch::Sender<bool>,
    built: Mutex<Built>,
    lock: Mutex<Option<Lock>>,
}

/// What a component is made of.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) settings: config::Component,
    pub(crate) parts: ModuleSet,
}

impl Registry {
    pub(super) fn new(watched: bool) -> Self {
        Self {
            handles: RwLock::default(),
            began: Instant::now(),
            watched,
        }
    }

    /// Everybody who is there now.
    pub(crate) fn handles(&self) -> Vec<Arc<ComponentHandle>> {
        self.handles
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The component with this JID.
    pub(crate) fn handle(&self, jid: &str) -> Option<Arc<ComponentHandle>> {
        self.handles()
            .into_iter()
            .find(|handle| handle.jid.as_str() == jid)
    }

    /// Whether every component is ready, and how many are, of how many.
    pub(crate) fn readiness(&self) -> (bool, usize, usize) {
        let handles = self.handles();
        let ready = handles.iter().filter(|handle| handle.is_ready()).count();
        (ready == handles.len(), ready, handles.len())
    }

    pub(super) fn set(&self, handles: Vec<Arc<ComponentHandle>>) {
        *self.handles.write().unwrap_or_else(PoisonError::into_inner) = handles;
    }

    /// A component that is ready to run, and what is kept of it.
    pub(super) fn build(
        &self,
        settings: &config::Component,
        lock: Lock,
    ) -> Result<(Arc<ComponentHandle>, Component), BoxError> {
        let parts = ModuleSet::new(settings)?;
        let metrics = MetricsLayer::new();
        let mut builder = build::assemble(settings, &parts, &metrics);
        if self.watched {
            builder = builder.readiness_max_age(FRESH);
        }
        let component = builder.build()?;
        let handle = ComponentHandle {
            jid: settings.jid.clone(),
            metrics,
            status: component.status(),
            stats: component.metrics(),
            reload_handle: component.reload_handle(),
            stop: watch::Sender::new(false),
            built: Mutex::new(Built {
                settings: settings.clone(),
                parts,
            }),
            lock: Mutex::new(Some(lock)),
        };
        Ok((Arc::new(handle), component))
    }
}

impl ComponentHandle {
    pub(crate) fn is_ready(&self) -> bool {
        self.status.borrow().is_ready()
    }

    /// What it is made of now.
    pub(crate) fn built(&self) -> Built {
        self.lock_built().clone()
    }

    /// The lock of one that has ended, for the one that takes its place.
    pub(super) fn take_lock(&self) -> Option<Lock> {
        self.lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    pub(super) fn set_built(&self, built: Built) {
        *self.lock_built() = built;
    }

    fn lock_built(&self) -> MutexGuard<'_, Built> {
        self.built.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
