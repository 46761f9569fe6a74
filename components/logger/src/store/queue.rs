//! The writer thread: commits queued entries in batches, and confirms them only after the commit.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use campanile::metrics::Metric;
use campanile::reply::{Reply, Responder};
use campanile::supervise::TaskFailures;
use campanile_storage::FailureLog;
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::metrics::StoreMetrics;
use super::{Backend, Open, StoreError};
use crate::new_entry::NewEntry;

/// Maximum entries and bytes in the queue; entries beyond are rejected.
const MAX_PENDING: usize = 16_384;
const MAX_PENDING_BYTES: usize = 64 << 20;
/// Maximum entries and bytes of one transaction.
const MAX_BATCH: usize = 4096;
const MAX_BATCH_BYTES: usize = 16 << 20;
/// The minimum time between commits, so that batches amortize the cost of fdatasync and of an index
/// segment. The first entry after a pause is committed without delay.
const MIN_COMMIT_INTERVAL: Duration = Duration::from_millis(4);
/// If no entry arrives within this time, the batch is committed.
const GATHER_STEP: Duration = Duration::from_micros(500);
/// The time without work after which the store is compacted.
const IDLE_DELAY: Duration = Duration::from_secs(1);
/// The delay before a failed attempt to open the database is repeated.
const REOPEN_DELAY: Duration = Duration::from_millis(500);

/// The action that follows the commit of an entry.
#[derive(Debug)]
pub(crate) enum Completion {
    /// Sends this reply, or an error.
    Reply(Responder, Reply),
    /// Counts a failure.
    Count(Arc<AtomicU64>),
}

impl Completion {
    fn complete(self, outcome: &Result<i64, StoreError>) {
        match (self, outcome) {
            (Self::Reply(answer, reply), Ok(_)) => answer.send(reply),
            (Self::Reply(answer, _), Err(error)) => answer.fail(error.to_box()),
            (Self::Count(_), Ok(_)) => {}
            (Self::Count(lost), Err(_)) => drop(lost.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

type Job = Box<dyn FnOnce(Result<&mut dyn Backend, StoreError>) + Send>;

enum Work {
    Append(Box<(NewEntry, Completion)>),
    Job(Job),
}

#[derive(Default)]
struct Pending {
    work: VecDeque<Work>,
    entries: usize,
    bytes: usize,
    closed: bool,
}

struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
    metrics: StoreMetrics,
}

/// The handle of the writer thread, which is started by the first entry or job.
pub(super) struct Writer {
    shared: Arc<Shared>,
    open: Arc<dyn Open>,
    started: OnceLock<bool>,
}

impl Writer {
    pub(super) fn new(open: Arc<dyn Open>) -> Self {
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            changed: Condvar::new(),
            metrics: StoreMetrics::default(),
        });
        Self {
            shared,
            open,
            started: OnceLock::new(),
        }
    }

    /// Starts the thread if needed. Returns `false` if that fails.
    fn is_started(&self) -> bool {
        *self.started.get_or_init(|| {
            let shared = Arc::clone(&self.shared);
            let open = Arc::clone(&self.open);
            let thread = Thread {
                shared,
                open,
                backend: None,
                failed: None,
                failures: FailureLog::default(),
                has_written: false,
                last: None,
            };
            let runtime = Handle::try_current().ok();
            let named = std::thread::Builder::new().name("archive".to_owned());
            let started = named.spawn(move || thread.run(runtime.as_ref()));
            if let Err(error) = &started {
                tracing::error!(%error, "archive writer thread not started");
            }
            started.is_ok()
        })
    }

    pub(super) fn append(
        &self,
        new_entry: NewEntry,
        completion: Completion,
    ) -> Result<(), StoreError> {
        let weight = new_entry.weight();
        if !self.is_started() {
            return Err(StoreError::Full);
        }
        let mut pending = self.shared.lock();
        if pending.closed
            || pending.entries >= MAX_PENDING
            || pending.bytes + weight > MAX_PENDING_BYTES
        {
            self.shared.metrics.rejected();
            return Err(StoreError::Full);
        }
        pending.entries += 1;
        pending.bytes += weight;
        pending
            .work
            .push_back(Work::Append(Box::new((new_entry, completion))));
        let first = pending.work.len() == 1;
        drop(pending);
        // The thread sleeps only while the queue is empty.
        if first {
            self.shared.changed.notify_all();
        }
        Ok(())
    }

    /// Returns the metrics of the thread and its queue.
    pub(super) fn metrics(&self) -> Vec<Metric> {
        let pending = self.shared.lock().entries;
        self.shared.metrics.metrics(pending, MAX_PENDING)
    }

    pub(super) fn tasks(&self) -> TaskFailures {
        self.shared.metrics.tasks.clone()
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, outcome) = oneshot::channel();
        let job: Job = Box::new(move |backend| {
            // The caller may have been dropped; the job runs regardless.
            let _ = done.send(backend.and_then(job));
        });
        if !self.is_started() {
            return Err(StoreError::Unavailable(
                "writer thread is not running".to_owned(),
            ));
        }
        {
            let mut pending = self.shared.lock();
            if pending.closed {
                return Err(StoreError::Unavailable("store is closed".to_owned()));
            }
            pending.work.push_back(Work::Job(job));
        }
        self.shared.changed.notify_all();
        outcome
            .await
            .unwrap_or_else(|_| Err(StoreError::Fault("writer thread has ended".to_owned())))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Each change is a single call, so a panic elsewhere cannot leave it inconsistent.
        self.pending.lock()
    }
}

struct Thread {
    shared: Arc<Shared>,
    open: Arc<dyn Open>,
    backend: Option<Box<dyn Backend>>,
    /// The last failure to open the database, and its time.
    failed: Option<(StoreError, Instant)>,
    failures: FailureLog,
    /// `true` if there may be something to compact.
    has_written: bool,
    last: Option<Instant>,
}

enum Turn {
    Batch(Vec<NewEntry>, Vec<Completion>),
    Job(Job),
    End,
}

impl Thread {
    fn run(mut self, runtime: Option<&Handle>) {
        loop {
            let turn = self.next();
            self.has_written = true;
            match turn {
                Turn::Batch(new_entries, completions) => {
                    self.batch(&new_entries, completions, runtime);
                }
                // After a panic, the job is dropped, and its caller gets an error.
                Turn::Job(job) => drop(self.guarded(|this| match this.backend() {
                    Ok(backend) => job(Ok(&mut **backend)),
                    Err(error) => job(Err(error)),
                })),
                Turn::End => break,
            }
        }
    }

    /// Works with the database. After a panic it is opened again.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let tasks = self.shared.metrics.tasks.clone();
        let output = tasks.catch_blocking("archive writer", || work(self));
        if output.is_none() {
            self.backend = None;
        }
        output
    }

    fn next(&mut self) -> Turn {
        let shared = Arc::clone(&self.shared);
        let mut pending = shared.lock();
        while pending.work.is_empty() {
            if pending.closed {
                return Turn::End;
            }
            if !self.has_written {
                shared.changed.wait(&mut pending);
            } else if shared
                .changed
                .wait_for(&mut pending, IDLE_DELAY)
                .timed_out()
                && pending.work.is_empty()
            {
                drop(pending);
                self.guarded(Self::compact);
                pending = shared.lock();
            }
        }
        pending = self.gather(&shared, pending);
        let mut batch = (Vec::new(), Vec::new());
        let mut bytes = 0;
        while batch.0.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
            match pending.work.pop_front() {
                Some(Work::Append(entry)) => {
                    let (new_entry, completion) = *entry;
                    bytes += new_entry.weight();
                    batch.0.push(new_entry);
                    batch.1.push(completion);
                }
                Some(Work::Job(job)) if batch.0.is_empty() => return Turn::Job(job),
                Some(job) => {
                    pending.work.push_front(job);
                    break;
                }
                None => break,
            }
        }
        pending.entries -= batch.0.len();
        pending.bytes = pending.bytes.saturating_sub(bytes);
        Turn::Batch(batch.0, batch.1)
    }

    /// Compacts the idle store; tries again later if a reader is in the way.
    fn compact(&mut self) {
        let Some(backend) = &mut self.backend else {
            self.has_written = false;
            return;
        };
        match backend.compact() {
            Ok(done) => self.has_written = !done,
            Err(error) => {
                self.has_written = false;
                tracing::debug!(store = %self.open.name(), %error, "idle store not compacted");
            }
        }
    }

    /// Waits briefly for the batch to grow while entries keep arriving.
    fn gather<'a>(
        &self,
        shared: &'a Shared,
        mut pending: MutexGuard<'a, Pending>,
    ) -> MutexGuard<'a, Pending> {
        let Some(last) = self.last else {
            return pending;
        };
        let mut seen = pending.entries;
        while seen < MAX_BATCH && !pending.closed && last.elapsed() < MIN_COMMIT_INTERVAL {
            drop(pending);
            std::thread::sleep(GATHER_STEP);
            pending = shared.lock();
            if std::mem::replace(&mut seen, pending.entries) == pending.entries {
                break;
            }
        }
        pending
    }

    fn batch(
        &mut self,
        new_entries: &[NewEntry],
        completions: Vec<Completion>,
        runtime: Option<&Handle>,
    ) {
        let began = Instant::now();
        let commit = |this: &mut Self| this.backend()?.commit(new_entries);
        let outcome = self
            .guarded(commit)
            .unwrap_or_else(|| Err(StoreError::Fault("writer thread panicked".to_owned())));
        let took = began.elapsed();
        self.last = Some(Instant::now());
        self.log(&outcome, new_entries.len() as u64);
        let outcomes = outcome.unwrap_or_else(|error| {
            if error.is_fatal() {
                self.backend = None;
            }
            vec![Err(error); new_entries.len()]
        });
        self.shared.metrics.committed(&outcomes, took);
        let complete = move || {
            completions
                .into_iter()
                .zip(outcomes)
                .for_each(|(completion, outcome)| completion.complete(&outcome));
        };
        // Replies sent from a runtime thread wake their tasks without another switch between
        // threads.
        match runtime {
            Some(runtime) => drop(runtime.spawn(async move { complete() })),
            None => complete(),
        }
    }

    fn log<T>(&mut self, outcome: &Result<T, StoreError>, entries: u64) {
        let rejected = match outcome {
            Ok(_) => self.failures.succeeded(),
            Err(error) => self.failures.failed(&error.to_string(), entries),
        };
        let Some(rejected) = rejected else { return };
        let store = self.open.name();
        match outcome {
            Ok(_) => tracing::info!(store, rejected, "commits resumed"),
            Err(error) => {
                tracing::error!(store, entries = rejected, %error, "commit failed; entries rejected");
            }
        }
    }

    fn backend(&mut self) -> Result<&mut Box<dyn Backend>, StoreError> {
        if self.backend.is_none() {
            if let Some((error, since)) = &self.failed
                && since.elapsed() < REOPEN_DELAY
            {
                return Err(error.clone());
            }
            self.failed = None;
            match self.open.open(true) {
                Ok(backend) => self.backend = Some(backend),
                Err(error) => self.failed = Some((error.clone(), Instant::now())),
            }
        }
        match (&mut self.backend, &self.failed) {
            (Some(backend), _) => Ok(backend),
            (None, Some((error, _))) => Err(error.clone()),
            (None, None) => Err(StoreError::Unavailable("database is not open".to_owned())),
        }
    }
}
