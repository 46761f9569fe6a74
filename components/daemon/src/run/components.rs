//! The components of this process, with their settings, modules and status.

use std::sync::Arc;
use std::time::{Duration, Instant};

use campanile::component::{Component, MetricsHandle, ReloadHandle, Status};
use campanile::error::BoxError;
use campanile::jid::BareJid;
use campanile::layer::MetricsLayer;
use campanile::supervise::TaskFailures;
use campanile_storage::sqlite::replaced_files;
use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::watch;

use super::lock::Lock;
use crate::build::{self, ModuleSet};
use crate::config;

/// Maximum age of the last proof that stanzas reach a component, when an admin port reports
/// readiness.
const READINESS_MAX_AGE: Duration = Duration::from_secs(10);

/// All components, in file order.
#[derive(Debug)]
pub(crate) struct Registry {
    handles: RwLock<Vec<Arc<ComponentHandle>>>,
    pub(crate) began: Instant,
    /// Failures of background tasks that belong to no component.
    pub(crate) tasks: TaskFailures,
    /// `true` if an admin port reports readiness.
    watched: bool,
}

/// Handle of one component while it is part of the configuration.
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

/// The settings of a component and the modules built from them.
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
            tasks: TaskFailures::default(),
            watched,
        }
    }

    /// Returns the handles of all current components.
    pub(crate) fn handles(&self) -> Vec<Arc<ComponentHandle>> {
        self.handles.read().clone()
    }

    /// Returns the component with this JID.
    pub(crate) fn handle(&self, jid: &str) -> Option<Arc<ComponentHandle>> {
        self.handles()
            .into_iter()
            .find(|handle| handle.jid.as_str() == jid)
    }

    /// Returns `true` if every component is ready and can store, then the number of ready ones and
    /// the total.
    pub(crate) fn readiness(&self) -> (bool, usize, usize) {
        let handles = self.handles();
        let ready = handles.iter().filter(|handle| handle.is_ready()).count();
        let stores = replaced_files().is_empty();
        (stores && ready == handles.len(), ready, handles.len())
    }

    pub(super) fn set(&self, handles: Vec<Arc<ComponentHandle>>) {
        *self.handles.write() = handles;
    }

    /// Builds a component that is ready to run, and its handle.
    pub(super) fn build(
        &self,
        settings: &config::Component,
        lock: Lock,
    ) -> Result<(Arc<ComponentHandle>, Component), BoxError> {
        let parts = ModuleSet::new(settings)?;
        let metrics = MetricsLayer::new();
        let mut builder = build::assemble(settings, &parts, &metrics);
        if self.watched {
            builder = builder.readiness_max_age(READINESS_MAX_AGE);
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

impl Built {
    /// Returns what runs once new settings have been applied. A module whose settings are the same
    /// is kept.
    ///
    /// # Errors
    /// If a module cannot be built.
    pub(crate) fn changed_to(&self, settings: &config::Component) -> Result<Self, BoxError> {
        let mut settings = settings.clone();
        // Outbound layers are fixed when the component is built, so a tap added now would record
        // only one direction.
        settings.tap.clone_from(&self.settings.tap);
        let parts = ModuleSet::from(&settings, &self.parts)?;
        Ok(Self { settings, parts })
    }
}

impl ComponentHandle {
    pub(crate) fn is_ready(&self) -> bool {
        self.status.borrow().is_ready()
    }

    /// Returns the current settings and modules.
    pub(crate) fn built(&self) -> Built {
        self.lock_built().clone()
    }

    /// Takes the lock of an ended component, for its replacement.
    pub(super) fn take_lock(&self) -> Option<Lock> {
        self.lock.lock().take()
    }

    pub(super) fn set_built(&self, built: Built) {
        *self.lock_built() = built;
    }

    fn lock_built(&self) -> MutexGuard<'_, Built> {
        self.built.lock()
    }
}
