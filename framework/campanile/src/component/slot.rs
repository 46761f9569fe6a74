//! What a running component does can be replaced, between two stanzas, and the stream stays.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::App;
use super::builder::{BuildError, Builder, Target};
use super::lifecycle::Lifecycle;
use super::run::Runner;
use crate::client::Client;
use crate::dispatch::Next;
use crate::error::BoxError;
use crate::limits::Limits;

/// Replaces what a component does, also while it runs.
#[derive(Clone)]
pub struct Slot {
    next: Arc<Next<App>>,
    modules: Weak<Lifecycle>,
    target: Arc<Mutex<Target>>,
    client: Client,
    limits: Arc<Limits>,
}

/// Why a component goes on as it was, or almost.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplaceError {
    /// The new settings cannot be used. Nothing was changed.
    Build(BuildError),
    /// A new module did not start. Routes are as they were; the modules that were to go have
    /// stopped.
    Module(BoxError),
    /// The component has ended.
    Ended,
}

impl fmt::Display for ReplaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(error) => error.fmt(f),
            Self::Module(_) => f.write_str("a module did not start"),
            Self::Ended => f.write_str("the component has ended"),
        }
    }
}

impl std::error::Error for ReplaceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Build(error) => error.source(),
            Self::Module(error) => Some(&**error),
            Self::Ended => None,
        }
    }
}

impl Slot {
    pub(super) fn new(runner: &Runner) -> Self {
        Self {
            next: runner.dispatch.slot(),
            modules: Arc::downgrade(&runner.modules),
            target: Arc::clone(&runner.target),
            client: runner.client.clone(),
            limits: Arc::clone(&runner.limits),
        }
    }

    /// Replaces routes, layers and modules by those of this builder, and keeps the stream.
    ///
    /// Modules that are the very same ([`Builder::shared_module`] with the same `Arc`) go on; of
    /// the others the old ones are told to leave and to stop, then the new ones are started, and
    /// meanwhile stanzas wait. A handler that has a stanza finishes it. Server, TLS and secret hold
    /// from the next connection on. Limits, ordering and outbound layers stay as they were: they
    /// belong to the running link.
    ///
    /// # Errors
    /// See [`ReplaceError`].
    pub async fn replace(&self, with: Builder) -> Result<(), ReplaceError> {
        let lifecycle = self.modules.upgrade().ok_or(ReplaceError::Ended)?;
        let parts = with
            .into_parts(self.client.domain(), &self.limits)
            .map_err(ReplaceError::Build)?;
        let within = self.limits.grace;
        let patience = self.limits.handler_timeout;
        let mut crew = lifecycle.lock().await;
        if crew.is_ended() {
            return Err(ReplaceError::Ended);
        }
        let changes = {
            let old: Vec<_> = crew.modules().collect();
            old.len() != parts.modules.len()
                || !old
                    .iter()
                    .zip(&parts.modules)
                    .all(|(a, b)| Arc::ptr_eq(a, b))
        };
        // The slot opens again whatever happens, and when this future is dropped.
        let held = changes.then(|| self.next.hold());
        if changes {
            crew.dismiss(&parts.modules, &self.client, within).await;
            crew.take_in(&parts.modules, &self.client, patience)
                .await
                .map_err(ReplaceError::Module)?;
        }
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = parts.target;
        self.client.shared().hand_over_to(parts.handover);
        self.next.put(parts.app);
        drop(held);
        Ok(())
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("domain", self.client.domain())
            .finish_non_exhaustive()
    }
}
