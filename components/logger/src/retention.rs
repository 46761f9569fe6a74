//! Periodic maintenance: interrupted erasures, retention, and opt-outs stored by other instances.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::archive::Archive;
use crate::store::{Prune, now};

/// The interval between maintenance runs.
const INTERVAL: Duration = Duration::from_secs(30);

/// Runs maintenance at each interval, until the task is aborted.
pub(crate) async fn run(archive: Archive) {
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        // First, and on startup: a user was promised this erasure.
        match archive.store.finish_erasing().await {
            Ok(None) => {}
            Ok(Some(entries)) => {
                tracing::info!(store = %archive.store.name(), entries, "erasure completed");
            }
            Err(error) => {
                tracing::warn!(store = %archive.store.name(), %error, "interrupted erasure not \
                    completed; retrying");
            }
        }
        for rule in rules(&archive) {
            match archive.store.prune(rule).await {
                Ok(0) => {}
                Ok(pruned) => {
                    tracing::info!(store = %archive.store.name(), pruned, "old entries removed");
                }
                Err(error) => {
                    tracing::warn!(store = %archive.store.name(), %error, "old entries not \
                        removed; retrying");
                }
            }
        }
        if let Err(error) = archive.refresh_opt_outs().await {
            tracing::warn!(store = %archive.store.name(), %error, "opt-outs not reloaded; \
                retrying");
        }
    }
}

fn rules(archive: &Archive) -> impl Iterator<Item = Prune> + use<> {
    let settings = &archive.settings;
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let age = settings
        .retention
        .map(|age| Prune::Before(now().saturating_sub(micros(age))));
    age.into_iter().chain(settings.max_bytes.map(Prune::Above))
}
