//! Replaces routes and modules of a running component between two stanzas, without closing the
//! stream.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::App;
use super::builder::{BuildError, ComponentBuilder};
use super::lifecycle::Lifecycle;
use super::run::Runner;
use super::target::Target;
use crate::client::Client;
use crate::dispatch::HotSwap;
use crate::error::{BoxError, write_chain};
use crate::limits::Limits;

/// A handle for replacing routes, layers and modules of a component, also while it runs.
#[derive(Clone)]
pub struct ReloadHandle {
    hot_swap: Arc<HotSwap<App>>,
    modules: Weak<Lifecycle>,
    target: Arc<Mutex<Target>>,
    client: Client,
    limits: Arc<Limits>,
}

/// The error if a component cannot be replaced.
///
/// `Debug` shows the text and all sources.
#[non_exhaustive]
pub enum ReloadError {
    /// The new settings are invalid. Nothing has changed.
    Build(BuildError),
    /// A new module failed to start. The old routes remain; the modules to be removed have been
    /// stopped.
    Module(BoxError),
    /// The component has ended.
    Ended,
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(error) => error.fmt(f),
            Self::Module(_) => f.write_str("module failed to start"),
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

impl fmt::Debug for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(self, f)
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

    /// Replaces routes, layers and modules with those of this builder. The stream stays open.
    ///
    /// Modules that are the same `Arc` in both ([`ComponentBuilder::modules`]) keep running.
    /// The other old modules are stopped, then the new ones are started; stanzas wait in the
    /// meantime. Calls in progress complete with the old handlers. The server address, TLS settings
    /// and secret take effect with the next connection. Limits, ordering and outbound layers do not
    /// change, because they belong to the running connection.
    ///
    /// # Errors
    /// Returns a [`ReloadError`] if the settings are invalid, a module fails to start, or the
    /// component has ended.
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
        // Resumes handling in any case, also if this future is dropped.
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
            .instances
            .set_forwarder(parts.response_forwarder);
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
