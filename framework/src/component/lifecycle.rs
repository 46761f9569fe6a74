//! Telling modules what happens to the component they are part of.

use std::future::Future;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use crate::client::Client;
use crate::error::BoxError;
use crate::module::Module;

/// The modules of a component, and what they are doing about the present stream.
pub(super) struct Lifecycle {
    modules: Vec<Arc<dyn Module>>,
    online: JoinSet<()>,
}

impl Lifecycle {
    pub(super) fn new(modules: Vec<Arc<dyn Module>>) -> Self {
        Self { modules, online: JoinSet::new() }
    }

    /// Starts all modules, one after the other; the first one that fails stops the start.
    pub(super) async fn start(&self, client: &Client) -> Result<(), BoxError> {
        for module in &self.modules {
            module.start(client.clone()).await.map_err(|error| format!("{}: {error}", module.name()))?;
        }
        Ok(())
    }

    /// A stream is open. Modules may make requests now, so they are told in tasks of their own.
    pub(super) fn online(&mut self, client: &Client) {
        for module in &self.modules {
            let (module, client) = (Arc::clone(module), client.clone());
            self.online.spawn(async move { module.online(client).await });
        }
    }

    /// The component is told to stop, and the stream is still open.
    pub(super) async fn leave(&self, client: &Client, within: Duration) {
        let mut leaving = JoinSet::new();
        for module in &self.modules {
            let (module, client) = (Arc::clone(module), client.clone());
            leaving.spawn(async move { module.leave(client).await });
        }
        let all = async {
            while let Some(left) = leaving.join_next().await {
                if let Err(error) = left {
                    tracing::error!(what = "leave", %error, "a module failed");
                }
            }
        };
        if timeout(within, all).await.is_err() {
            tracing::warn!(what = "leave", "a module takes too long and is left behind");
        }
    }

    /// The stream has ended: whoever still works for it is stopped first.
    pub(super) async fn offline(&mut self, within: Duration) {
        self.online.shutdown().await;
        self.each(within, "offline", |module| async move { module.offline().await }).await;
    }

    /// The component stops.
    pub(super) async fn stop(&self, within: Duration) {
        self.each(within, "stop", |module| async move { module.stop().await }).await;
    }

    async fn each<F>(&self, within: Duration, what: &str, call: impl Fn(Arc<dyn Module>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        for module in &self.modules {
            // In a task, so that a module that panics stops no other.
            let told = tokio::spawn(call(Arc::clone(module)));
            let abort = told.abort_handle();
            match timeout(within, told).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(module = module.name(), what, %error, "a module failed"),
                Err(_) => {
                    abort.abort();
                    tracing::warn!(module = module.name(), what, "a module takes too long and is left behind");
                }
            }
        }
    }
}
