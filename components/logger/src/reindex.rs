//! Update of the index of an archive that an earlier version has written, while it is in use.

use std::time::{Duration, Instant};

use crate::archive::Archive;

/// Number of entries per transaction, between which other entries are written.
const STEP: usize = 200;
/// The interval between two log lines on the progress.
const INTERVAL: Duration = Duration::from_secs(10);
/// The delay after a failure.
const RETRY_DELAY: Duration = Duration::from_secs(30);

/// Updates all entries. Continues after a restart where it was interrupted.
pub(crate) async fn run(archive: &Archive) {
    let store = &archive.store;
    let mut updated = 0_u64;
    let mut logged = Instant::now();
    loop {
        match store.write(|backend| backend.reindex(STEP)).await {
            Ok(0) => break,
            Ok(step) => updated += step as u64,
            Err(error) => {
                tracing::warn!(store = %store.name(), %error, "search index not updated; retrying");
                tokio::time::sleep(RETRY_DELAY).await;
                continue;
            }
        }
        if updated == STEP as u64 || logged.elapsed() >= INTERVAL {
            logged = Instant::now();
            tracing::info!(
                store = %store.name(),
                updated,
                "search index being updated to a new format, the newest entries first; until then, \
                words of some languages are not found in older entries"
            );
        }
    }
    if updated > 0 {
        tracing::info!(store = %store.name(), updated, "search index updated");
    }
}
