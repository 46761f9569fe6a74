//! Supervision of background tasks: a task that fails or panics is counted, logged and started
//! again.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};

use crate::error::{BoxError, catch_panic, chain};

/// Delay before the first restart. It doubles with each failure.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// The longest delay, and the time without a failure after which the delay is short again.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// A background task that is started again when it fails. Dropping it aborts the task.
///
/// ```
/// use campanile::supervise::{Supervised, supervise};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let polling: Supervised = supervise("poll", || async {
///     // … work until there is nothing left to do.
///     Ok(())
/// });
/// polling.ended().await;
/// assert_eq!(polling.failures(), 0);
/// # }
/// ```
#[derive(Debug)]
pub struct Supervised {
    failures: Arc<AtomicU64>,
    task: JoinHandle<()>,
    ended: tokio::sync::watch::Receiver<()>,
}

/// Runs a background task. If its future returns an error or panics, the failure is counted and
/// logged, and a new future is started after a delay of one second, which doubles with each failure
/// up to a minute.
///
/// `name` appears in the log. Supervision ends when a future returns `Ok`.
///
/// # Panics
/// If called outside of a tokio runtime.
#[must_use = "the task is aborted when this is dropped"]
pub fn supervise<F, Fut>(name: impl Into<String>, task: F) -> Supervised
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let failures = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&failures);
    let (ending, ended) = tokio::sync::watch::channel(());
    let name = name.into();
    let task = tokio::spawn(async move {
        let count = move || {
            counted.fetch_add(1, Ordering::Relaxed);
        };
        restarting(&name, count, task).await;
        // The receivers see the end of the sender.
        drop(ending);
    });
    Supervised {
        failures,
        task,
        ended,
    }
}

impl Supervised {
    /// Returns the number of failures. The task was started once more for each.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Waits until the task has returned `Ok`.
    pub async fn ended(&self) {
        while self.ended.clone().changed().await.is_ok() {}
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs a task until it returns `Ok`, and calls `failed` each time that it fails.
pub(crate) async fn restarting<F, Fut>(name: &str, failed: impl Fn(), mut task: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), BoxError>>,
{
    let mut delay = FIRST_DELAY;
    loop {
        let started = Instant::now();
        // Creating the future may panic as well.
        let Err(error) = caught(async { task().await }).await else {
            return;
        };
        failed();
        if started.elapsed() >= LONGEST_DELAY {
            delay = FIRST_DELAY;
        }
        let why = chain(&error);
        tracing::error!(task = name, ?why, restart_in = ?delay, "background task failed; \
            it will be restarted");
        tokio::time::sleep(delay).await;
        delay = delay.saturating_mul(2).min(LONGEST_DELAY);
    }
}

/// Polls a future to completion, turning a panic into an error.
async fn caught(future: impl Future<Output = Result<(), BoxError>>) -> Result<(), BoxError> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        catch_panic(|| future.as_mut().poll(cx))
            .unwrap_or_else(|text| Poll::Ready(Err(format!("panicked: {text}").into())))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failed_and_panicked_task_is_started_again() {
        let starts: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let seen = Arc::clone(&starts);
        let began = Instant::now();
        let task = supervise("test", move || {
            let mut starts = seen.lock().unwrap();
            starts.push(began.elapsed());
            let count = starts.len();
            drop(starts);
            assert!(count != 2, "a panic before the future");
            async move {
                match count {
                    1 => Err("failed".into()),
                    3 => panic!("a panic in the future"),
                    4 => {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                        Err("failed after a minute".into())
                    }
                    _ => Ok(()),
                }
            }
        });
        task.ended().await;
        assert_eq!(task.failures(), 4);
        let seconds: Vec<_> = starts
            .lock()
            .unwrap()
            .iter()
            .map(Duration::as_secs)
            .collect();
        assert_eq!(seconds, [0, 1, 3, 7, 68]);
    }

    #[tokio::test(start_paused = true)]
    async fn dropped_task_is_aborted() {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let task = supervise("test", move || {
            let held = Arc::clone(&held);
            async move {
                std::future::pending::<()>().await;
                drop(held);
                Ok(())
            }
        });
        tokio::task::yield_now().await;
        assert!(Arc::strong_count(&alive) > 1);
        drop(task);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
