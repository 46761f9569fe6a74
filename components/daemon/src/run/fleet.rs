//! The components of this process: what each is made of, and how it is doing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use campanile::component::{Component, Slot, StatsHandle, Status};
use campanile::error::BoxError;
use campanile::jid::BareJid;
use campanile::layer::MetricsLayer;
use tokio::sync::watch;

use super::lock::Lock;
use crate::config;
use crate::mount::{self, Parts};

/// How old the last proof may be that stanzas reach a component, where somebody can ask whether it
/// is ready.
const FRESH: Duration = Duration::from_secs(10);

/// All components, in the order of the file.
#[derive(Debug)]
pub(crate) struct Fleet {
    members: RwLock<Vec<Arc<Member>>>,
    pub(crate) began: Instant,
    /// Somebody can ask at any time whether they are ready.
    watched: bool,
}

/// One component, as long as it is part of the configuration.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) jid: BareJid,
    pub(crate) metrics: MetricsLayer,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) stats: StatsHandle,
    pub(super) slot: Slot,
    pub(super) stop: watch::Sender<bool>,
    made: Mutex<Made>,
    lock: Mutex<Option<Lock>>,
}

/// What a component is made of.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) settings: config::Component,
    pub(crate) parts: Parts,
}

impl Fleet {
    pub(super) fn new(watched: bool) -> Self {
        Self {
            members: RwLock::default(),
            began: Instant::now(),
            watched,
        }
    }

    /// Everybody who is there now.
    pub(crate) fn members(&self) -> Vec<Arc<Member>> {
        self.members
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The component with this JID.
    pub(crate) fn member(&self, jid: &str) -> Option<Arc<Member>> {
        self.members()
            .into_iter()
            .find(|member| member.jid.as_str() == jid)
    }

    /// Whether every component is ready, and how many are, of how many.
    pub(crate) fn readiness(&self) -> (bool, usize, usize) {
        let members = self.members();
        let ready = members.iter().filter(|member| member.is_ready()).count();
        (ready == members.len(), ready, members.len())
    }

    pub(super) fn set(&self, members: Vec<Arc<Member>>) {
        *self.members.write().unwrap_or_else(PoisonError::into_inner) = members;
    }

    /// A component that is ready to run, and what is kept of it.
    pub(super) fn build(
        &self,
        settings: &config::Component,
        lock: Lock,
    ) -> Result<(Arc<Member>, Component), BoxError> {
        let parts = Parts::new(settings)?;
        let metrics = MetricsLayer::new();
        let mut builder = mount::assembled(settings, &parts, &metrics);
        if self.watched {
            builder = builder.proven_within(FRESH);
        }
        let component = builder.build()?;
        let member = Member {
            jid: settings.jid.clone(),
            metrics,
            status: component.status(),
            stats: component.stats(),
            slot: component.slot(),
            stop: watch::Sender::new(false),
            made: Mutex::new(Made {
                settings: settings.clone(),
                parts,
            }),
            lock: Mutex::new(Some(lock)),
        };
        Ok((Arc::new(member), component))
    }
}

impl Member {
    pub(crate) fn is_ready(&self) -> bool {
        self.status.borrow().is_ready()
    }

    /// What it is made of now.
    pub(crate) fn made(&self) -> Made {
        self.lock_made().clone()
    }

    /// The lock of one that has ended, for the one that takes its place.
    pub(super) fn give_lock(&self) -> Option<Lock> {
        self.lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    pub(super) fn set_made(&self, made: Made) {
        *self.lock_made() = made;
    }

    fn lock_made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
