//! Whether there is any hope.

use campanile::component::{MetricsHandle, Status};
use campanile::jid::BareJid;
use tokio::sync::watch;

use super::components::ComponentHandle;

/// A component as seen from outside.
#[derive(Debug)]
pub(super) struct Watched {
    jid: BareJid,
    status: watch::Receiver<Status>,
    stats: MetricsHandle,
}

impl Watched {
    pub(super) fn new(handle: &ComponentHandle) -> Self {
        Self {
            jid: handle.jid.clone(),
            status: handle.status.clone(),
            stats: handle.stats.clone(),
        }
    }

    /// Why the server refuses it, if that is how it stands.
    fn refusal(&self) -> Option<(String, String)> {
        match &*self.status.borrow() {
            Status::Waiting {
                why, refused: true, ..
            } => Some((self.jid.to_string(), why.clone())),
            _ => None,
        }
    }
}

/// Waits until every component stands refused and none was ever mounted, which somebody must mend:
/// gives each JID and what its server said. Never ready otherwise: what was mounted once may be
/// again, and others live on.
pub(super) async fn all_refused(mut components: Vec<Watched>) -> Vec<(String, String)> {
    loop {
        for component in &mut components {
            let refused = |status: &Status| matches!(status, Status::Waiting { refused: true, .. });
            if component.status.wait_for(refused).await.is_err() {
                return std::future::pending().await;
            }
        }
        // The counter misses nothing; a status that lasted for a moment might be.
        if components
            .iter()
            .any(|component| component.stats.counters().connected > 0)
        {
            return std::future::pending().await;
        }
        if let Some(refusals) = components.iter().map(Watched::refusal).collect() {
            return refusals;
        }
    }
}
