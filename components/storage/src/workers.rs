//! A bounded number of threads for blocking work.

#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Time that a thread without work waits for a job before it goes back to the runtime. Short,
/// because the paused clock of a test stands still meanwhile.
const LINGER: Duration = Duration::from_millis(5);

/// Blocking threads of the runtime that run jobs in the order of arrival, at most as many as jobs
/// may run at a time.
///
/// With a semaphore in front of `tokio::task::spawn_blocking`, the number of threads is not bounded
/// by that of the permits: a job ends before its thread is idle again, so the job that gets its
/// permit starts another thread. Bursts of short jobs thus left hundreds of threads, each with its
/// stack and its share of the allocator. Here a thread takes the next job itself.
///
/// The threads are those of the runtime, because the paused clock of a test must not advance while
/// one of them is busy.
#[derive(Debug)]
pub struct Workers {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
}

/// The permission to run a job, which may begin at once.
#[derive(Debug)]
pub struct Turn {
    /// Never `None`, as the semaphore is never closed.
    permit: Option<OwnedSemaphorePermit>,
    shared: Arc<Shared>,
}

type Job = Box<dyn FnOnce() + Send>;

struct Shared {
    name: &'static str,
    most: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    /// At most as many as there are permits.
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that wait for a job.
    idle: usize,
}

impl Workers {
    /// Creates a pool of at most `most` threads. None is started yet. The name is shown by `Debug`.
    #[must_use]
    pub fn new(name: &'static str, most: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                name,
                most,
                state: Mutex::default(),
                wake: Condvar::new(),
            }),
            permits: Arc::new(Semaphore::new(most)),
        }
    }

    /// Waits until a job may run. The number of callers that wait is theirs to bound.
    pub async fn turn(&self) -> Turn {
        Turn {
            permit: Arc::clone(&self.permits).acquire_owned().await.ok(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Runs a job on a thread, as soon as one is free. A job that has begun is completed even if
    /// this future is dropped.
    ///
    /// # Errors
    /// If the job panics, or outside of a tokio runtime.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkerError> {
        self.turn().await.run(job).await
    }

    /// Returns the number of jobs that may begin at once.
    #[must_use]
    pub fn free(&self) -> usize {
        self.permits.available_permits()
    }
}

impl Turn {
    /// Like [`Workers::run`], without waiting for a turn.
    ///
    /// # Errors
    /// If the job panics, or outside of a tokio runtime.
    pub async fn run<T: Send + 'static>(
        self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkerError> {
        let Self { permit, shared } = self;
        let (done, outcome) = oneshot::channel();
        shared.push(Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(job));
            // The turn lasts as long as the job, whose caller may be gone.
            drop(permit);
            let _ = done.send(result);
        }))?;
        match outcome.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => Err(WorkerError::panicked(&*panic)),
            Err(_) => Err(WorkerError("worker stopped".to_owned())),
        }
    }
}

impl Shared {
    fn push(self: &Arc<Self>, job: Job) -> Result<(), WorkerError> {
        let runtime = Handle::try_current().map_err(|error| WorkerError(error.to_string()))?;
        let mut state = self.lock();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() || state.threads >= self.most {
            self.wake.notify_one();
            return Ok(());
        }
        state.threads += 1;
        drop(state);
        let thread = Thread {
            shared: Arc::clone(self),
            is_counted: true,
        };
        // Fails only if the runtime shuts down, and then the callers are gone.
        runtime.spawn_blocking(move || thread.run());
        Ok(())
    }

    /// Waits for a job. Returns `None` when the thread is to end.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state.idle += 1;
            let (woken, wait) = self
                .wake
                .wait_timeout(state, LINGER)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if wait.timed_out() && state.jobs.is_empty() {
                // Under the lock, so that no job relies on this thread.
                state.threads -= 1;
                return None;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Jobs run outside of the lock, so it is never poisoned by one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the threads, counted in [`State::threads`].
struct Thread {
    shared: Arc<Shared>,
    is_counted: bool,
}

impl Thread {
    fn run(mut self) {
        while let Some(job) = self.shared.next() {
            job();
        }
        self.is_counted = false;
    }
}

/// For a thread that the runtime has not started.
impl Drop for Thread {
    fn drop(&mut self) {
        if self.is_counted {
            self.shared.lock().threads -= 1;
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("name", &self.name)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

/// The error for a job that has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerError(String);

impl WorkerError {
    fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self(format!("worker panicked: {}", text.unwrap_or("no message")))
    }
}

impl fmt::Display for WorkerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WorkerError {}
