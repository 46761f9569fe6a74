//! Telling modules what happens to the component they are part of.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Duration, timeout};

use crate::client::Client;
use crate::error::BoxError;
use crate::module::Module;

/// The modules of a component, and how far they have been told. Whoever replaces some of them holds
/// it meanwhile.
pub(super) struct Lifecycle(Mutex<ModuleSet>);

/// All modules, one after the other.
pub(super) struct ModuleSet {
    members: Vec<Member>,
    stage: Stage,
}

/// How far a component has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Started,
    Online,
    Ended,
}

struct Member {
    module: Arc<dyn Module>,
    /// What it does about the present stream.
    online: Option<Task>,
}

/// A task that ends with whoever holds this.
struct Task(JoinHandle<()>);

impl Drop for Task {
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

    /// Starts all modules, one after the other; the first one that fails stops the start.
    pub(super) async fn start(&self, client: &Client) -> Result<(), BoxError> {
        let mut set = self.lock().await;
        for member in &set.members {
            member.start(client).await?;
        }
        set.stage = Stage::Started;
        Ok(())
    }

    /// A stream is open. Modules may make requests now, so they are told in tasks of their own.
    pub(super) async fn online(&self, client: &Client) {
        let mut set = self.lock().await;
        set.stage = Stage::Online;
        set.members
            .iter_mut()
            .for_each(|member| member.go_online(client));
    }

    /// The component is told to stop, and the stream is still open.
    pub(super) async fn leave(&self, client: &Client, within: Duration) {
        let modules: Vec<_> = self.lock().await.modules().collect();
        leave(&modules, client, within).await;
    }

    /// The stream has ended: whoever still works for it is stopped first.
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

    /// The component stops.
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

    /// Lets those go that are not among `staying`, as at the end of a component.
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

    /// Takes in those that are not there yet; the order is that of `all`.
    ///
    /// # Errors
    /// When one does not start within the time; it is not taken in, nor are those that come after
    /// it.
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
                    Err(format!("{} takes too long to start", module.name()).into())
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
        let started = self.module.start(client.clone()).await;
        started.map_err(|error| format!("{}: {error}", self.module.name()).into())
    }

    fn go_online(&mut self, client: &Client) {
        let module = Arc::clone(&self.module);
        let client = client.clone();
        self.online = Some(Task(tokio::spawn(
            async move { module.online(client).await },
        )));
    }

    /// Ends what it does about the present stream.
    async fn halt(&mut self) {
        if let Some(mut task) = self.online.take() {
            task.0.abort();
            // It was stopped, or had ended, or had panicked: then the runtime has said so.
            let _ = (&mut task.0).await;
        }
    }

    async fn offline(&self, within: Duration) {
        self.tell(
            within,
            "offline",
            |module| async move { module.offline().await },
        )
        .await;
    }

    async fn stop(&self, within: Duration) {
        self.tell(within, "stop", |module| async move { module.stop().await })
            .await;
    }

    async fn tell<F>(&self, within: Duration, what: &str, call: impl Fn(Arc<dyn Module>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let module = &self.module;
        // In a task, so that a module that panics stops no other.
        let told = tokio::spawn(call(Arc::clone(module)));
        let abort = told.abort_handle();
        match timeout(within, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(module = module.name(), what, %error, "a module failed")
            }
            Err(_) => {
                abort.abort();
                tracing::warn!(
                    module = module.name(),
                    what,
                    "a module takes too long and is left behind"
                );
            }
        }
    }
}

/// Lets modules say what they have to say before they go, all at the same time.
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
                tracing::error!(what = "leave", %error, "a module failed");
            }
        }
    };
    if timeout(within, all).await.is_err() {
        tracing::warn!(what = "leave", "a module takes too long and is left behind");
    }
}
