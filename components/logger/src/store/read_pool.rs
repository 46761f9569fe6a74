//! A pool of connections for reading, used on blocking threads.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{Backend, Open, StoreError};

/// Maximum number of concurrent queries; others wait.
const MAX_READERS: usize = 4;

pub(super) struct ReadPool {
    open: Arc<dyn Open>,
    idle: Mutex<Vec<Box<dyn Backend>>>,
    permits: Semaphore,
}

impl ReadPool {
    pub(super) fn new(open: Arc<dyn Open>) -> Self {
        Self {
            open,
            idle: Mutex::default(),
            permits: Semaphore::new(MAX_READERS),
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
        done.await
            .unwrap_or_else(|error| Err(StoreError::Fault(error.to_string())))
    }
}
