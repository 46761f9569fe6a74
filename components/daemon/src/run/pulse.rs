//! Signs of life while the components run: what systemd is told, and what the log left out.

use std::sync::Arc;

use campanile::component::Status;
use tokio::task::JoinHandle;
use tokio::time::{Duration, MissedTickBehavior, interval, timeout};

use super::fleet::Fleet;
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
pub(super) struct Pulse {
    notify: Arc<Notify>,
    fleet: Arc<Fleet>,
    tasks: [JoinHandle<()>; 2],
}

impl Pulse {
    pub(super) fn start(fleet: &Arc<Fleet>) -> Self {
        let notify = Arc::new(Notify::from_environment());
        let fleet = Arc::clone(fleet);
        let tasks = [
            tokio::spawn(beat(Arc::clone(&notify))),
            tokio::spawn(tell(Arc::clone(&notify), Arc::clone(&fleet))),
        ];
        Self {
            notify,
            fleet,
            tasks,
        }
    }

    pub(super) fn reloading(&self) {
        self.notify.reloading();
    }

    pub(super) fn reloaded(&self) {
        self.notify.ready(&standing(&self.fleet));
    }

    pub(super) fn stopping(&self) {
        self.tasks[1].abort();
        self.notify.stopping();
    }
}

impl Drop for Pulse {
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

async fn tell(notify: Arc<Notify>, fleet: Arc<Fleet>) {
    // Ready means that each has tried: a server that is away must not keep the service from
    // counting as started.
    let tried = async {
        for member in fleet.members() {
            // An error means that it has ended.
            let _ = member
                .status
                .clone()
                .wait_for(|status| *status != Status::Connecting)
                .await;
        }
    };
    // Whoever is not done by then is tried on, and what systemd waits for is over.
    let _ = timeout(FIRST, tried).await;
    let mut said = standing(&fleet);
    notify.ready(&said);
    let mut every = interval(LOOK);
    let mut turn = 0;
    let mut reported = 0;
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let now = standing(&fleet);
        if now != said {
            notify.status(&now);
            said = now;
        }
        turn = (turn + 1) % LEFT_OUT;
        let left_out = log::log().map_or(0, log::Log::left_out);
        if turn == 0 && left_out > reported {
            tracing::warn!(
                lines = left_out - reported,
                "lines that came too often were left out of the log"
            );
            reported = left_out;
        }
    }
}

/// How the components stand, in one line.
fn standing(fleet: &Fleet) -> String {
    let members = fleet.members();
    let mounted = |status: &Status| matches!(status, Status::Mounted { .. });
    let (up, waiting): (Vec<_>, Vec<_>) = members
        .iter()
        .partition(|member| mounted(&member.status.borrow()));
    let all = members.len();
    match waiting.first() {
        None => format!("{all} of {all} components mounted"),
        Some(first) => format!(
            "{} of {all} components mounted; not {}",
            up.len(),
            first.jid
        ),
    }
}
