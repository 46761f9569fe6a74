//! A pool of connections for reading, each used by one thread at a time.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use campanile_storage::{FailureLog, Turn, Workers};
use parking_lot::Mutex;

use super::deadline::Deadline;
use super::{Backend, Open, StoreError};

/// Maximum number of concurrent queries; others wait.
const MAX_READERS: usize = 4;
/// Maximum number of queries that wait; others are rejected.
const MAX_WAITING: usize = 4096;
/// Maximum time that a query waits.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Maximum time that a query runs.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct ReadPool {
    open: Arc<dyn Open>,
    idle: Mutex<Vec<Box<dyn Backend>>>,
    workers: Workers,
    waiting: AtomicUsize,
    failures: Mutex<FailureLog>,
}

impl ReadPool {
    pub(super) fn new(open: Arc<dyn Open>) -> Self {
        Self {
            open,
            idle: Mutex::default(),
            workers: Workers::new("archive-read", MAX_READERS),
            waiting: AtomicUsize::new(0),
            failures: Mutex::default(),
        }
    }

    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = self.turn().await?;
        let this = Arc::clone(self);
        let deadline = Deadline::after(READ_TIMEOUT);
        // A caller that times out, or whose user disconnects, drops this future.
        let _cancel = deadline.guard();
        let outcome = turn
            .run(move || this.read(job, &deadline))
            .await
            .unwrap_or_else(|error| Err(StoreError::Fault(error.to_string())));
        self.log(outcome.as_ref().err());
        outcome
    }

    async fn turn(&self) -> Result<Turn, StoreError> {
        let _waiting = Waiting::new(&self.waiting).ok_or(StoreError::Full)?;
        tokio::time::timeout(MAX_WAIT, self.workers.turn())
            .await
            .map_err(|_| StoreError::Full)
    }

    fn read<T>(
        &self,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError>,
        deadline: &Deadline,
    ) -> Result<T, StoreError> {
        // The caller may have gone before the turn came, and no connection should be lost for that.
        if deadline.is_over() {
            return Err(StoreError::TooSlow);
        }
        let idle = self.idle.lock().pop();
        let mut backend = match idle {
            Some(backend) => backend,
            None => self.open.open(false)?,
        };
        backend.set_deadline(deadline.clone())?;
        let outcome = match job(&mut *backend) {
            Err(StoreError::Busy) if deadline.is_over() => Err(StoreError::TooSlow),
            outcome => outcome,
        };
        if !matches!(&outcome, Err(error) if error.is_fatal()) {
            self.idle.lock().push(backend);
        }
        outcome
    }

    /// Logs failures of the database. Errors of a single query are none.
    fn log(&self, error: Option<&StoreError>) {
        let mut failures = self.failures.lock();
        let store = self.open.name();
        match error {
            Some(error) if error.is_of_query() => {}
            Some(error) => {
                if let Some(failed) = failures.failed(&error.to_string(), 1) {
                    tracing::error!(store, failed, %error, "read failed; queries rejected");
                }
            }
            None => {
                if let Some(failed) = failures.succeeded() {
                    tracing::info!(store, failed, "reads resumed");
                }
            }
        }
    }
}

/// A place among the waiting queries.
struct Waiting<'c>(&'c AtomicUsize);

impl<'c> Waiting<'c> {
    /// Returns `None` if there are too many already.
    fn new(count: &'c AtomicUsize) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::Relaxed);
        let waiting = Self(count);
        (before < MAX_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
