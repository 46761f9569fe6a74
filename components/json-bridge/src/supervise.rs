//! Supervision of background tasks: a panic is counted and logged, and the work continues.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use crate::metrics::Metrics;

/// Delay before the first restart of a task; each further one takes twice as long.
const INITIAL_DELAY: Duration = Duration::from_millis(100);
/// Longest delay before a restart.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// Runs a future, and returns `None` if it panics.
///
/// A panic is counted, and logged with the name of the work.
pub(crate) async fn catch<T>(
    work: &str,
    metrics: &Metrics,
    future: impl Future<Output = T>,
) -> Option<T> {
    // After a panic, the future is dropped. Its locks do not poison, and protect counts and queues
    // that are consistent after each statement.
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(output) => Some(output),
        Err(panic) => {
            report(work, metrics, &*panic);
            None
        }
    }
}

/// Runs the future that `start` returns, and starts it again after a panic, with exponential
/// backoff.
pub(crate) async fn supervise<F: Future<Output = ()>>(
    work: &'static str,
    metrics: Arc<Metrics>,
    mut start: impl FnMut() -> F,
) {
    let mut delay = INITIAL_DELAY;
    while catch(work, &metrics, start()).await.is_none() {
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(MAX_DELAY);
    }
}

/// Counts and logs a panic.
pub(crate) fn report(work: &str, metrics: &Metrics, panic: &(dyn Any + Send)) {
    metrics.panics.add(1);
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(
        work,
        "background task panicked; it continues, please report this: {message}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn panicked_task_is_counted_and_restarted() {
        let metrics = Arc::new(Metrics::default());
        let mut starts = 0;
        supervise("test", Arc::clone(&metrics), || {
            starts += 1;
            let turn = starts;
            async move { assert!(turn > 2, "turn {turn}") }
        })
        .await;
        assert_eq!((starts, metrics.snapshot().panics), (3, 2));
    }
}
