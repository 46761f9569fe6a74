//! What a running component does can be replaced, between two stanzas, and the stream stays.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::App;
use super::builder::{BuildError, ComponentBuilder, Target};
use super::lifecycle::Lifecycle;
use super::run::Runner;
use crate::client::Client;
use crate::dispatch::HotSwap;
use crate::error::BoxError;
use crate::limits::Limits;

/// Replaces what a component does, also while it runs.
#[derive(Clone)]
pub struct ReloadHandle {
    hot_swap: Arc<HotSwap<App>>,
    modules: Weak<Lifecycle>,
    target: Arc<Mutex<Target>>,
    client: Client,
    limits: Arc<Limits>,
}

/// Why a component goes on as it was, or almost.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReloadError {
    /// The new settings cannot be used. Nothing was changed.
    Build(BuildError),
    /// A new module did not start. Routes are as they were; the modules that were to go have
    /// stopped.
    Module(BoxError),
    /// The component has ended.
    Ended,
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(error) => error.fmt(f),
            Self::Module(_) => f.write_str("a module did not start"),
            Self::Ended => f.write_str("the component has ended"),
        }
    }
}

impl std::error::Error for ReloadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Build(error) => error.source(),
            Self::Module(error) => Some(&**error),
            Self::Ended => None,
        }
    }
}

impl ReloadHandle {
    pub(super) fn new(runner: &Runner) -> Self {
        Self {
            hot_swap: runner.dispatch.hot_swap(),
            modules: Arc::downgrade(&runner.modules),
            target: Arc::clone(&runner.target),
            client: runner.client.clone(),
            limits: Arc::clone(&runner.limits),
        }
    }

    /// Replaces routes, layers and modules by those of this builder, and keeps the stream.
    ///
    /// Modules that are the very same ([`ComponentBuilder::shared_module`] with the same `Arc`) go on; of
    /// the others the old ones are told to leave and to stop, then the new ones are started, and
    /// meanwhile stanzas wait. A handler that has a stanza finishes it. Server, TLS and secret hold
    /// from the next connection on. Limits, ordering and outbound layers stay as they were: they
    /// belong to the running link.
    ///
    /// # Errors
    /// See [`ReloadError`].
    pub async fn reload(&self, with: ComponentBuilder) -> Result<(), ReloadError> {
        let lifecycle = self.modules.upgrade().ok_or(ReloadError::Ended)?;
        let parts = with
            .into_parts(self.client.domain(), &self.limits)
            .map_err(ReloadError::Build)?;
        let within = self.limits.shutdown_grace;
        let patience = self.limits.handler_timeout;
        let mut set = lifecycle.lock().await;
        if set.is_ended() {
            return Err(ReloadError::Ended);
        }
        let changes = {
            let old: Vec<_> = set.modules().collect();
            old.len() != parts.modules.len()
                || !old
                    .iter()
                    .zip(&parts.modules)
                    .all(|(a, b)| Arc::ptr_eq(a, b))
        };
        // Stanzas are handled again whatever happens, and when this future is dropped.
        let paused = changes.then(|| self.hot_swap.pause());
        if changes {
            set.remove_others(&parts.modules, &self.client, within)
                .await;
            set.add_missing(&parts.modules, &self.client, patience)
                .await
                .map_err(ReloadError::Module)?;
        }
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = parts.target;
        self.client
            .shared()
            .set_response_forwarder(parts.response_forwarder);
        self.hot_swap.swap(parts.app);
        drop(paused);
        Ok(())
    }
}

impl fmt::Debug for ReloadHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadHandle")
            .field("domain", self.client.domain())
            .finish_non_exhaustive()
    }
}
