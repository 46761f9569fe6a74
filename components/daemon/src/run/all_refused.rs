//! Detects that every component has been refused by its server.

use campanile::component::{MetricsHandle, Status};
use campanile::jid::BareJid;
use tokio::sync::watch;

use super::components::ComponentHandle;

/// The status of one component.
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

    /// Returns the JID and the server's reason if the component is refused.
    fn refusal(&self) -> Option<(String, String)> {
        match &*self.status.borrow() {
            Status::Waiting {
                why, refused: true, ..
            } => Some((self.jid.to_string(), why.clone())),
            _ => None,
        }
    }
}

/// Waits until every component is refused and none was ever mounted, then returns each JID with the
/// reason given by its server.
///
/// Retrying cannot help in that case: a configuration must change. Never completes otherwise, since
/// a component that was mounted once can be mounted again, and others keep running.
pub(super) async fn all_refused(mut components: Vec<Watched>) -> Vec<(String, String)> {
    loop {
        for component in &mut components {
            let refused = |status: &Status| matches!(status, Status::Waiting { refused: true, .. });
            if component.status.wait_for(refused).await.is_err() {
                return std::future::pending().await;
            }
        }
        // A short-lived `Mounted` status could be missed; the counter cannot.
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
