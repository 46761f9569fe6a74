//! A pool of connections for reading, used on blocking threads.

use std::sync::Arc;

use campanile_storage::FailureLog;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{Backend, Open, StoreError};

/// Maximum number of concurrent queries; others wait.
const MAX_READERS: usize = 4;

pub(super) struct ReadPool {
    open: Arc<dyn Open>,
    idle: Mutex<Vec<Box<dyn Backend>>>,
    permits: Semaphore,
    failures: Mutex<FailureLog>,
}

impl ReadPool {
    pub(super) fn new(open: Arc<dyn Open>) -> Self {
        Self {
            open,
            idle: Mutex::default(),
            permits: Semaphore::new(MAX_READERS),
            failures: Mutex::default(),
        }
    }

    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| StoreError::Unavailable("closed".to_owned()))?;
        let this = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let idle = this.idle.lock().pop();
            let mut backend = match idle {
                Some(backend) => backend,
                None => this.open.open(false)?,
            };
            let outcome = job(&mut *backend);
            if !matches!(&outcome, Err(error) if error.is_fatal()) {
                this.idle.lock().push(backend);
            }
            outcome
        });
        let outcome = done
            .await
            .unwrap_or_else(|error| Err(StoreError::Fault(error.to_string())));
        self.log(outcome.as_ref().err());
        outcome
    }

    /// Logs failures of the database. Errors of a single query are none.
    fn log(&self, error: Option<&StoreError>) {
        let mut failures = self.failures.lock();
        let store = self.open.name();
        match error {
            Some(StoreError::NotFound | StoreError::Busy) => {}
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
