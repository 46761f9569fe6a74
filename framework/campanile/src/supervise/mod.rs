//! Supervision of background tasks: a task that fails or panics is counted, logged and started
//! again.

#[cfg(feature = "failpoints")]
mod failpoint;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};

use crate::error::{BoxError, catch_panic, chain};

/// Delay before the first restart. It doubles with each failure.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest delay, and the time without a failure after which the delay is short again.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

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
    failures: TaskFailures,
    task: JoinHandle<()>,
    ended: tokio::sync::watch::Receiver<()>,
}

/// Runs a background task. If its future returns an error or panics, the failure is counted and
/// logged, and a new future is started after a delay of 100 milliseconds, which doubles with each
/// failure up to 30 seconds.
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
    TaskFailures::default().supervise(name, task)
}

impl Supervised {
    /// Returns the number of failures, including those of tasks that share the count. The task was
    /// started once more for each of its own.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.count()
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

/// The number of failures of several background tasks. Clones share the count.
///
/// [`supervise`] has a count of its own. A module with many short tasks counts them together:
///
/// ```
/// use campanile::supervise::TaskFailures;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let failures = TaskFailures::default();
/// let sum = failures.catch("addition", async { 1 + 1 }).await;
/// assert_eq!((sum, failures.count()), (Some(2), 0));
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct TaskFailures(Arc<AtomicU64>);

impl TaskFailures {
    /// Returns the number of failures.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Runs a future once, and returns `None` if it panics. The panic is counted and logged with
    /// this name.
    ///
    /// After a panic, the future is dropped. State that it shares with others must tolerate this.
    pub async fn catch<T>(&self, name: &str, future: impl Future<Output = T>) -> Option<T> {
        let output = guarded(future).await;
        output.map_err(|why| self.record(name, &why)).ok()
    }

    /// Calls a function, and returns `None` if it panics, like [`catch`](Self::catch). For threads.
    pub fn catch_blocking<T>(&self, name: &str, call: impl FnOnce() -> T) -> Option<T> {
        let output = catch_panic(|| {
            reached_failpoint();
            call()
        });
        output
            .map_err(|why| self.record(name, &panicked(&why)))
            .ok()
    }

    /// Runs the future that `task` returns, and a new one after each failure, until one returns
    /// `Ok`. The delays are those of [`supervise`].
    pub async fn until_ok<T, F, Fut>(&self, name: &str, task: F) -> T
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, BoxError>>,
    {
        restarting(name, || self.count_one(), task).await
    }

    /// Runs a background task like [`supervise`], and counts its failures here.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub fn supervise<F, Fut>(&self, name: impl Into<String>, task: F) -> Supervised
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let counted = self.clone();
        let (ending, ended) = tokio::sync::watch::channel(());
        let name = name.into();
        let task = tokio::spawn(async move {
            counted.until_ok(&name, task).await;
            // The receivers see the end of the sender.
            drop(ending);
        });
        Supervised {
            failures: self.clone(),
            task,
            ended,
        }
    }

    fn record(&self, name: &str, why: &str) {
        self.count_one();
        tracing::error!(
            task = name,
            why,
            "background task failed; please report this"
        );
    }

    fn count_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs a task until it returns `Ok`, and calls `failed` each time that it fails.
pub(crate) async fn restarting<T, F, Fut>(name: &str, failed: impl Fn(), mut task: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, BoxError>>,
{
    let mut delay = FIRST_DELAY;
    loop {
        let started = Instant::now();
        // Creating the future may panic as well.
        let why = match guarded(async { task().await }).await {
            Ok(Ok(output)) => return output,
            Ok(Err(error)) => chain(&error),
            Err(why) => why,
        };
        failed();
        if started.elapsed() >= LONGEST_DELAY {
            delay = FIRST_DELAY;
        }
        tracing::error!(task = name, why, restart_in = ?delay, "background task failed; \
            it will be restarted");
        tokio::time::sleep(delay).await;
        delay = delay.saturating_mul(2).min(LONGEST_DELAY);
    }
}

/// Polls a future to completion, turning a panic into an error text.
pub(crate) async fn guarded<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        let polled = catch_panic(|| {
            reached_failpoint();
            future.as_mut().poll(cx)
        });
        match polled {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(why) => Poll::Ready(Err(panicked(&why))),
        }
    })
    .await
}

fn panicked(why: &str) -> String {
    format!("panicked: {why}")
}

#[cfg(feature = "failpoints")]
fn reached_failpoint() {
    failpoint::reached();
}

#[cfg(not(feature = "failpoints"))]
fn reached_failpoint() {}

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
        let millis: Vec<_> = starts
            .lock()
            .unwrap()
            .iter()
            .map(Duration::as_millis)
            .collect();
        assert_eq!(millis, [0, 100, 300, 700, 60_800]);
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

    #[tokio::test]
    async fn panics_are_counted_together() {
        let failures = TaskFailures::default();
        let counted = failures.clone();
        let first = counted.catch("first", async { panic!("in a future") });
        assert_eq!(first.await, None::<()>);
        let second = counted.catch_blocking("second", || panic!("in a thread"));
        assert_eq!(second, None::<()>);
        assert_eq!(counted.catch_blocking("third", || 3), Some(3));
        assert_eq!(failures.count(), 2);
    }
}
