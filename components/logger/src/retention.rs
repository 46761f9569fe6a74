//! What is done from time to time: erasures that were cut off, retention, and news from other
//! instances.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::archive::Archive;
use crate::store::{Prune, now};

/// How often entries that have become too old are looked for.
const INTERVAL: Duration = Duration::from_secs(30);

/// Goes on for as long as the component runs.
pub(crate) async fn run(archive: Archive) {
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        // Before the rest, and at the start: somebody was promised it.
        match archive.store.finish_erasing().await {
            Ok(None) => {}
            Ok(Some(entries)) => {
                tracing::info!(store = %archive.store.name(), entries, "an erasure is finished")
            }
            Err(error) => {
                tracing::warn!(store = %archive.store.name(), %error, "erasures that were cut off \
                    cannot be finished now");
            }
        }
        for rule in rules(&archive) {
            match archive.store.prune(rule).await {
                Ok(0) => {}
                Ok(pruned) => {
                    tracing::info!(store = %archive.store.name(), pruned, "old entries are removed")
                }
                Err(error) => {
                    tracing::warn!(store = %archive.store.name(), %error, "old entries cannot be \
                        removed now");
                }
            }
        }
        if let Err(error) = archive.refresh_opt_outs().await {
            tracing::warn!(store = %archive.store.name(), %error, "who has stopped being logged \
                cannot be read now");
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
