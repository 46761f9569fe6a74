//! Periodic maintenance: interrupted erasures, retention, and opt-outs stored by other instances.

use std::time::Duration;

use campanile_storage::FailureLog;
use tokio::time::MissedTickBehavior;

use crate::archive::Archive;
use crate::store::{Prune, StoreError, now};

/// The interval between maintenance runs.
const INTERVAL: Duration = Duration::from_secs(30);

/// Runs maintenance at each interval, until the task is aborted.
pub(crate) async fn run(archive: Archive) {
    let mut tick = tokio::time::interval(INTERVAL);
    let mut failures = Failures::default();
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        // First, and on startup: a user was promised this erasure.
        let store = archive.store.name();
        let finished = archive.store.finish_erasing().await;
        if let Ok(Some(entries)) = finished {
            tracing::info!(store, entries, "erasure completed");
        }
        if let Some((error, failed)) = due(&mut failures.erasures, finished) {
            tracing::warn!(
                store,
                failed,
                error,
                "interrupted erasure not completed; retrying"
            );
        }
        for rule in rules(&archive) {
            let pruned = archive.store.prune(rule).await;
            if let Ok(pruned @ 1..) = pruned {
                tracing::info!(store, pruned, "old entries removed");
            }
            if let Some((error, failed)) = due(&mut failures.prunes, pruned) {
                tracing::warn!(store, failed, error, "old entries not removed; retrying");
            }
        }
        let reloaded = archive.refresh_opt_outs().await;
        if let Some((error, failed)) = due(&mut failures.opt_outs, reloaded) {
            tracing::warn!(store, failed, error, "opt-outs not reloaded; retrying");
        }
    }
}

/// Failures of each task, which repeat while a disk is full or a database is down.
#[derive(Default)]
struct Failures {
    erasures: FailureLog,
    prunes: FailureLog,
    opt_outs: FailureLog,
}

/// Returns the error and the number of failures, if a log line is due.
fn due<T>(log: &mut FailureLog, outcome: Result<T, StoreError>) -> Option<(String, u64)> {
    match outcome {
        Ok(_) => {
            log.succeeded();
            None
        }
        Err(error) => {
            let error = error.to_string();
            log.failed(&error, 1).map(|failed| (error, failed))
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
