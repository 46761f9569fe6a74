//! Calls the life cycle methods of modules.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Duration, timeout};

use crate::client::Client;
use crate::error::BoxError;
use crate::module::Module;
use crate::supervise::restarting;

/// The modules of a component and the stage of its life cycle. The lock is held while modules are
/// replaced.
pub(super) struct Lifecycle(Mutex<ModuleSet>);

/// The modules of a component, in order.
pub(super) struct ModuleSet {
    members: Vec<Member>,
    stage: Stage,
}

/// The stage of the life cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Started,
    Online,
    Ended,
}

struct Member {
    module: Arc<dyn Module>,
    /// The running `online` call for the current stream.
    online: Option<AbortOnDrop<()>>,
}

/// A task that is aborted on drop.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Lifecycle {
    pub(super) fn new(modules: Vec<Arc<dyn Module>>) -> Self {
        Self(Mutex::new(ModuleSet {
            members: modules.into_iter().map(Member::new).collect(),
            stage: Stage::New,
        }))
    }

    pub(super) async fn lock(&self) -> MutexGuard<'_, ModuleSet> {
        self.0.lock().await
    }

    /// Starts all modules, one after the other, and stops at the first error.
    pub(super) async fn start(&self, client: &Client) -> Result<(), BoxError> {
        let mut set = self.lock().await;
        for member in &set.members {
            member.start(client).await?;
        }
        set.stage = Stage::Started;
        Ok(())
    }

    /// Calls `online` on all modules, in separate tasks, because modules may wait for responses to
    /// requests.
    pub(super) async fn online(&self, client: &Client) {
        let mut set = self.lock().await;
        set.stage = Stage::Online;
        set.members
            .iter_mut()
            .for_each(|member| member.go_online(client));
    }

    /// Calls `leave` on all modules, while the stream is still open.
    pub(super) async fn leave(&self, client: &Client, within: Duration) {
        let modules: Vec<_> = self.lock().await.modules().collect();
        leave(&modules, client, within).await;
    }

    /// Aborts the running `online` calls, then calls `offline` on all modules.
    pub(super) async fn offline(&self, within: Duration) {
        let mut set = self.lock().await;
        set.stage = Stage::Started;
        for member in &mut set.members {
            member.halt().await;
        }
        for member in &set.members {
            member.offline(within).await;
        }
    }

    /// Calls `stop` on all modules.
    pub(super) async fn stop(&self, within: Duration) {
        let mut set = self.lock().await;
        set.stage = Stage::Ended;
        for member in &set.members {
            member.stop(within).await;
        }
    }
}

impl ModuleSet {
    pub(super) fn is_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    pub(super) fn modules(&self) -> impl Iterator<Item = Arc<dyn Module>> {
        self.members.iter().map(|member| Arc::clone(&member.module))
    }

    /// Removes the modules that are not in `staying`, with the same calls as at the end of a
    /// component.
    pub(super) async fn remove_others(
        &mut self,
        staying: &[Arc<dyn Module>],
        client: &Client,
        within: Duration,
    ) {
        let stays = |member: &Member| {
            staying
                .iter()
                .any(|module| Arc::ptr_eq(module, &member.module))
        };
        let (kept, mut going): (Vec<_>, Vec<_>) = std::mem::take(&mut self.members)
            .into_iter()
            .partition(stays);
        self.members = kept;
        if self.stage == Stage::Online {
            let modules: Vec<_> = going
                .iter()
                .map(|member| Arc::clone(&member.module))
                .collect();
            leave(&modules, client, within / 2).await;
            for member in &mut going {
                member.halt().await;
                member.offline(within).await;
            }
        }
        if self.stage != Stage::New {
            for member in &going {
                member.stop(within).await;
            }
        }
    }

    /// Adds and starts the modules that are not present yet. The order becomes that of `all`.
    ///
    /// # Errors
    /// Returns an error if a module does not start in time. That module and the ones after it are
    /// not added.
    pub(super) async fn add_missing(
        &mut self,
        all: &[Arc<dyn Module>],
        client: &Client,
        within: Duration,
    ) -> Result<(), BoxError> {
        for module in all {
            if self
                .members
                .iter()
                .any(|member| Arc::ptr_eq(&member.module, module))
            {
                continue;
            }
            let mut member = Member::new(Arc::clone(module));
            if self.stage != Stage::New {
                let started = timeout(within, member.start(client)).await;
                started.unwrap_or_else(|_| {
                    Err(format!("{}: start timed out", module.name()).into())
                })?;
            }
            if self.stage == Stage::Online {
                member.go_online(client);
            }
            self.members.push(member);
        }
        self.members.sort_by_key(|member| {
            all.iter()
                .position(|module| Arc::ptr_eq(&member.module, module))
        });
        Ok(())
    }
}

impl Member {
    fn new(module: Arc<dyn Module>) -> Self {
        Self {
            module,
            online: None,
        }
    }

    async fn start(&self, client: &Client) -> Result<(), BoxError> {
        let module = Arc::clone(&self.module);
        let client = client.clone();
        let name = module.name();
        // In a separate task, so that a panic is an error of this module only.
        let mut started = AbortOnDrop(tokio::spawn(async move { module.start(client).await }));
        match (&mut started.0).await {
            Ok(started) => started.map_err(|error| format!("{name}: {error}").into()),
            Err(error) => Err(format!("{name}: start failed: {error}").into()),
        }
    }

    fn go_online(&mut self, client: &Client) {
        let module = Arc::clone(&self.module);
        let client = client.clone();
        self.online = Some(AbortOnDrop(tokio::spawn(async move {
            let name = format!("{}: online", module.name());
            let count = || client.shared().counters.task_failures.inc();
            let online = || async {
                module.online(client.clone()).await;
                Ok(())
            };
            restarting(&name, count, online).await;
        })));
    }

    /// Aborts the running `online` call.
    async fn halt(&mut self) {
        if let Some(mut task) = self.online.take() {
            task.0.abort();
            // Canceled or completed; panics are caught in the task.
            let _ = (&mut task.0).await;
        }
    }

    async fn offline(&self, within: Duration) {
        self.call(
            within,
            "offline",
            |module| async move { module.offline().await },
        )
        .await;
    }

    async fn stop(&self, within: Duration) {
        self.call(within, "stop", |module| async move { module.stop().await })
            .await;
    }

    async fn call<F>(&self, within: Duration, what: &str, method: impl Fn(Arc<dyn Module>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let module = &self.module;
        // In a separate task, so that a panic does not affect other modules.
        let called = tokio::spawn(method(Arc::clone(module)));
        let abort = called.abort_handle();
        match timeout(within, called).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(module = module.name(), what, %error, "module call failed");
            }
            Err(_) => {
                abort.abort();
                tracing::warn!(
                    module = module.name(),
                    what,
                    "module call timed out; abandoned"
                );
            }
        }
    }
}

/// Calls `leave` on all modules concurrently.
async fn leave(modules: &[Arc<dyn Module>], client: &Client, within: Duration) {
    let mut leaving = JoinSet::new();
    for module in modules {
        let module = Arc::clone(module);
        let client = client.clone();
        leaving.spawn(async move { module.leave(client).await });
    }
    let all = async {
        while let Some(left) = leaving.join_next().await {
            if let Err(error) = left {
                tracing::error!(what = "leave", %error, "module call failed");
            }
        }
    };
    if timeout(within, all).await.is_err() {
        tracing::warn!(what = "leave", "module call timed out; abandoned");
    }
}
