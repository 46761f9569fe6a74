//! Periodic status: notifications to systemd, and the count of suppressed log lines.

use std::sync::Arc;

use campanile::component::Status;
use campanile::supervise::Supervised;
use tokio::time::{Duration, MissedTickBehavior, interval, timeout};

use super::components::Registry;
use crate::log;
use crate::notify::Notify;

/// Time for the first connection attempts before the service counts as started. One attempt takes
/// no longer.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Interval at which the status is checked for changes.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// Number of status intervals between two reports of suppressed log lines.
const SUPPRESSED_INTERVAL: u32 = 10;

/// Notifies systemd until dropped.
#[derive(Debug)]
pub(super) struct SystemdNotifier {
    notify: Arc<Notify>,
    registry: Arc<Registry>,
    /// Sends the state of the components, until the daemon stops.
    telling: Option<Supervised>,
    _beating: Supervised,
}

impl SystemdNotifier {
    pub(super) fn start(registry: &Arc<Registry>) -> Self {
        let notify = Arc::new(Notify::from_environment());
        let registry = Arc::clone(registry);
        let beating = {
            let notify = Arc::clone(&notify);
            registry.tasks.supervise("systemd watchdog", move || {
                let notify = Arc::clone(&notify);
                async move {
                    beat(notify).await;
                    Ok(())
                }
            })
        };
        let telling = {
            let notify = Arc::clone(&notify);
            let registry = Arc::clone(&registry);
            let tasks = registry.tasks.clone();
            tasks.supervise("systemd status", move || {
                let telling = tell(Arc::clone(&notify), Arc::clone(&registry));
                async move {
                    telling.await;
                    Ok(())
                }
            })
        };
        Self {
            notify,
            registry,
            telling: Some(telling),
            _beating: beating,
        }
    }

    pub(super) fn reloading(&self) {
        self.notify.reloading();
    }

    pub(super) fn reloaded(&self) {
        self.notify.ready(&summary(&self.registry));
    }

    pub(super) fn stopping(&mut self) {
        self.telling = None;
        self.notify.stopping();
    }
}

/// Sends watchdog keepalives while timers fire: systemd restarts a process whose threads are all
/// blocked.
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
    // The service is ready once each component has tried to connect: an absent server must not keep
    // the unit from starting.
    let tried = async {
        for handle in registry.handles() {
            // An error means that the component has ended.
            let _ = handle
                .status
                .clone()
                .wait_for(|status| *status != Status::Connecting)
                .await;
        }
    };
    // Components that are still connecting keep trying after systemd has been notified.
    let _ = timeout(START_TIMEOUT, tried).await;
    let mut sent = summary(&registry);
    notify.ready(&sent);
    let mut every = interval(STATUS_INTERVAL);
    let mut turn = 0;
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let now = summary(&registry);
        if now != sent {
            notify.status(&now);
            sent = now;
        }
        turn = (turn + 1) % SUPPRESSED_INTERVAL;
        if turn == 0 {
            report_suppressed();
        }
    }
}

/// Logs how often each line was suppressed since the last call.
fn report_suppressed() {
    let suppressed = log::log().map_or_else(Vec::new, log::Log::take_suppressed);
    for log::Suppressed { lines, message } in suppressed {
        tracing::warn!("suppressed {lines} repetitions of \"{message}\" in 10 s");
    }
}

/// Summarizes the status of all components in one line.
fn summary(registry: &Registry) -> String {
    let handles = registry.handles();
    let mounted = |status: &Status| matches!(status, Status::Mounted { .. });
    let (up, waiting): (Vec<_>, Vec<_>) = handles
        .iter()
        .partition(|handle| mounted(&handle.status.borrow()));
    let all = handles.len();
    match waiting.first() {
        None => format!("{all} of {all} components mounted"),
        Some(first) => format!(
            "{} of {all} components mounted; {} is not",
            up.len(),
            first.jid
        ),
    }
}
