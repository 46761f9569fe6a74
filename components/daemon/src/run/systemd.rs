//! Signs of life while the components run: what systemd is told, and what the log left out.

use std::sync::Arc;

use campanile::component::Status;
use tokio::task::JoinHandle;
use tokio::time::{Duration, MissedTickBehavior, interval, timeout};

use super::components::Registry;
use crate::log;
use crate::notify::Notify;

/// How long the first attempts may take before the service counts as started: as long as one may
/// take.
const FIRST: Duration = Duration::from_secs(20);
/// How often it is looked whether there is anything new to say.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is said that lines were left out.
const LEFT_OUT: u32 = 10;

/// Ends with the process.
#[derive(Debug)]
pub(super) struct SystemdNotifier {
    notify: Arc<Notify>,
    registry: Arc<Registry>,
    tasks: [JoinHandle<()>; 2],
}

impl SystemdNotifier {
    pub(super) fn start(registry: &Arc<Registry>) -> Self {
        let notify = Arc::new(Notify::from_environment());
        let registry = Arc::clone(registry);
        let tasks = [
            tokio::spawn(beat(Arc::clone(&notify))),
            tokio::spawn(tell(Arc::clone(&notify), Arc::clone(&registry))),
        ];
        Self {
            notify,
            registry,
            tasks,
        }
    }

    pub(super) fn reloading(&self) {
        self.notify.reloading();
    }

    pub(super) fn reloaded(&self) {
        self.notify.ready(&standing(&self.registry));
    }

    pub(super) fn stopping(&self) {
        self.tasks[1].abort();
        self.notify.stopping();
    }
}

impl Drop for SystemdNotifier {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// That timers still fire is what the watchdog is told: a process whose threads are all held up is
/// started anew.
async fn beat(notify: Arc<Notify>) {
    let Some(every) = notify.pulse() else { return };
    let mut every = interval(every);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        notify.alive();
    }
}

async fn tell(notify: Arc<Notify>, registry: Arc<Registry>) {
    // Ready means that each has tried: a server that is away must not keep the service from
    // counting as started.
    let tried = async {
        for handle in registry.handles() {
            // An error means that it has ended.
            let _ = handle
                .status
                .clone()
                .wait_for(|status| *status != Status::Connecting)
                .await;
        }
    };
    // Whoever is not done by then is tried on, and what systemd waits for is over.
    let _ = timeout(FIRST, tried).await;
    let mut said = standing(&registry);
    notify.ready(&said);
    let mut every = interval(LOOK);
    let mut turn = 0;
    let mut reported = 0;
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let now = standing(&registry);
        if now != said {
            notify.status(&now);
            said = now;
        }
        turn = (turn + 1) % LEFT_OUT;
        let suppressed = log::log().map_or(0, log::Log::suppressed);
        if turn == 0 && suppressed > reported {
            tracing::warn!(
                lines = suppressed - reported,
                "lines that came too often were left out of the log"
            );
            reported = suppressed;
        }
    }
}

/// How the components stand, in one line.
fn standing(registry: &Registry) -> String {
    let handles = registry.handles();
    let mounted = |status: &Status| matches!(status, Status::Mounted { .. });
    let (up, waiting): (Vec<_>, Vec<_>) = handles
        .iter()
        .partition(|handle| mounted(&handle.status.borrow()));
    let all = handles.len();
    match waiting.first() {
        None => format!("{all} of {all} components mounted"),
        Some(first) => format!(
            "{} of {all} components mounted; not {}",
            up.len(),
            first.jid
        ),
    }
}
