//! Entries of the outbox that are delivered again, after a restart or on request of an operator.

use std::sync::Arc;
use std::time::Duration;

use campanile::error::BoxError;

use crate::outbox::Outbox;
use crate::state::Running;

/// Interval at which the outbox is polled for dead letters that an operator has replayed.
const REPLAY_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Reads the waiting entries back from disk and queues them in order.
pub(super) fn resume(running: &Arc<Running>, outbox: &Outbox) -> Result<(), BoxError> {
    let mut after = 0;
    loop {
        let page = outbox.waiting(after)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.seq;
        page.into_iter().for_each(|entry| running.resume(entry));
    }
}

/// Queues the dead letters that an operator has replayed, until dropped.
pub(super) async fn poll(running: &Arc<Running>, outbox: &Outbox) {
    let mut every = tokio::time::interval(REPLAY_POLL_INTERVAL);
    loop {
        every.tick().await;
        match outbox.replayed() {
            Ok(entries) => {
                entries.into_iter().for_each(|entry| running.resume(entry));
                // Their state must be on disk before the next poll, or they are seen twice.
                outbox.flush().await;
            }
            Err(error) => tracing::warn!("outbox read failed: {error}"),
        }
    }
}
