//! The thread that writes: what waits is kept in one transaction, and only then is anybody told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use campanile::reply::{Answer, Reply};
use campanile::stats::Figure;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::counts::Counts;
use super::{Backend, Open, StoreError};
use crate::draft::Draft;

/// Entries and bytes that wait at the most; what comes on top is refused.
const WAITING: usize = 16_384;
const WAITING_BYTES: usize = 64 << 20;
/// Entries and bytes of one transaction.
const BATCH: usize = 4096;
const BATCH_BYTES: usize = 16 << 20;
/// Commits come no faster than this, so that a batch is worth its fdatasync and its piece of the
/// index; the first entry after a pause does not wait.
const PACE: Duration = Duration::from_millis(4);
/// So long nothing new: nobody is about to come.
const QUIET: Duration = Duration::from_micros(500);
/// How long a database that cannot be opened is left alone.
const RETRY: Duration = Duration::from_millis(500);

/// Who is told when an entry is kept.
#[derive(Debug)]
pub(crate) enum Ticket {
    /// The sender: this reply, or an error.
    Owed(Answer, Reply),
    /// Nobody; a failure is counted.
    Counted(Arc<AtomicU64>),
}

impl Ticket {
    fn settle(self, outcome: &Result<i64, StoreError>) {
        match (self, outcome) {
            (Self::Owed(answer, reply), Ok(_)) => answer.send(reply),
            (Self::Owed(answer, _), Err(error)) => answer.fail(error.to_box()),
            (Self::Counted(_), Ok(_)) => {}
            (Self::Counted(lost), Err(_)) => drop(lost.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

type Job = Box<dyn FnOnce(Result<&mut dyn Backend, StoreError>) + Send>;

enum Work {
    Keep(Box<(Draft, Ticket)>),
    Job(Job),
}

#[derive(Default)]
struct Waiting {
    work: VecDeque<Work>,
    entries: usize,
    bytes: usize,
    closed: bool,
}

struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    counts: Counts,
}

/// Entries on their way to the thread, which is started by the first of them.
pub(super) struct Writer {
    shared: Arc<Shared>,
    open: Arc<dyn Open>,
    started: OnceLock<bool>,
}

impl Writer {
    pub(super) fn new(open: Arc<dyn Open>) -> Self {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            counts: Counts::default(),
        });
        Self {
            shared,
            open,
            started: OnceLock::new(),
        }
    }

    /// Whether there is a thread to work for.
    fn is_started(&self) -> bool {
        *self.started.get_or_init(|| {
            let shared = Arc::clone(&self.shared);
            let open = Arc::clone(&self.open);
            let thread = Thread {
                shared,
                open,
                backend: None,
                failed: None,
                last: None,
            };
            let runtime = Handle::try_current().ok();
            let named = std::thread::Builder::new().name("archive".to_owned());
            let started = named.spawn(move || thread.run(runtime.as_ref()));
            if let Err(error) = &started {
                tracing::error!(%error, "the thread that writes the archive cannot be started");
            }
            started.is_ok()
        })
    }

    pub(super) fn keep(&self, draft: Draft, ticket: Ticket) -> Result<(), StoreError> {
        let weight = draft.weight();
        if !self.is_started() {
            return Err(StoreError::Full);
        }
        let mut waiting = self.shared.lock();
        if waiting.closed || waiting.entries >= WAITING || waiting.bytes + weight > WAITING_BYTES {
            self.shared.counts.turned_away();
            return Err(StoreError::Full);
        }
        waiting.entries += 1;
        waiting.bytes += weight;
        waiting
            .work
            .push_back(Work::Keep(Box::new((draft, ticket))));
        let first = waiting.work.len() == 1;
        drop(waiting);
        // The thread sleeps only while nothing waits.
        if first {
            self.shared.changed.notify_all();
        }
        Ok(())
    }

    /// What was done and what waits, as figures for operators.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let waiting = self.shared.lock().entries;
        self.shared.counts.figures(waiting, WAITING)
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, outcome) = oneshot::channel();
        let job: Job = Box::new(move |backend| {
            // Nobody may wait any more, and the work is done all the same.
            let _ = done.send(backend.and_then(job));
        });
        if !self.is_started() {
            return Err(StoreError::Unavailable(
                "no thread to write with".to_owned(),
            ));
        }
        {
            let mut waiting = self.shared.lock();
            if waiting.closed {
                return Err(StoreError::Unavailable("the store is closed".to_owned()));
            }
            waiting.work.push_back(Work::Job(job));
        }
        self.shared.changed.notify_all();
        outcome.await.unwrap_or_else(|_| {
            Err(StoreError::Fault(
                "the thread that writes has ended".to_owned(),
            ))
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // What is inside stays sound whoever panics: it is changed by single calls.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Thread {
    shared: Arc<Shared>,
    open: Arc<dyn Open>,
    backend: Option<Box<dyn Backend>>,
    /// Why and when the database could not be opened.
    failed: Option<(StoreError, Instant)>,
    last: Option<Instant>,
}

enum Turn {
    Batch(Vec<Draft>, Vec<Ticket>),
    Job(Job),
    End,
}

impl Thread {
    fn run(mut self, runtime: Option<&Handle>) {
        loop {
            match self.next() {
                Turn::Batch(drafts, tickets) => self.batch(&drafts, tickets, runtime),
                Turn::Job(job) => match self.backend() {
                    Ok(backend) => job(Ok(&mut **backend)),
                    Err(error) => job(Err(error)),
                },
                Turn::End => break,
            }
        }
    }

    fn next(&mut self) -> Turn {
        let shared = Arc::clone(&self.shared);
        let mut waiting = shared.lock();
        while waiting.work.is_empty() {
            if waiting.closed {
                return Turn::End;
            }
            waiting = shared
                .changed
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        waiting = self.gather(&shared, waiting);
        let mut batch = (Vec::new(), Vec::new());
        let mut bytes = 0;
        while batch.0.len() < BATCH && bytes < BATCH_BYTES {
            match waiting.work.pop_front() {
                Some(Work::Keep(entry)) => {
                    let (draft, ticket) = *entry;
                    bytes += draft.weight();
                    batch.0.push(draft);
                    batch.1.push(ticket);
                }
                Some(Work::Job(job)) if batch.0.is_empty() => return Turn::Job(job),
                Some(job) => {
                    waiting.work.push_front(job);
                    break;
                }
                None => break,
            }
        }
        waiting.entries -= batch.0.len();
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
        Turn::Batch(batch.0, batch.1)
    }

    /// Lets a batch grow, for a moment, while entries are coming in.
    fn gather<'a>(
        &self,
        shared: &'a Shared,
        mut waiting: MutexGuard<'a, Waiting>,
    ) -> MutexGuard<'a, Waiting> {
        let Some(last) = self.last else {
            return waiting;
        };
        let mut seen = waiting.entries;
        while seen < BATCH && !waiting.closed && last.elapsed() < PACE {
            drop(waiting);
            std::thread::sleep(QUIET);
            waiting = shared.lock();
            if std::mem::replace(&mut seen, waiting.entries) == waiting.entries {
                break;
            }
        }
        waiting
    }

    fn batch(&mut self, drafts: &[Draft], tickets: Vec<Ticket>, runtime: Option<&Handle>) {
        let began = Instant::now();
        let outcome = self.backend().and_then(|backend| backend.commit(drafts));
        let took = began.elapsed();
        self.last = Some(Instant::now());
        let outcomes = outcome.unwrap_or_else(|error| {
            tracing::error!(store = %self.open.name(), entries = drafts.len(), %error, "not archived");
            if error.is_fatal() {
                self.backend = None;
            }
            vec![Err(error); drafts.len()]
        });
        self.shared.counts.committed(&outcomes, took);
        let settle = move || {
            tickets
                .into_iter()
                .zip(outcomes)
                .for_each(|(ticket, outcome)| ticket.settle(&outcome))
        };
        // On the runtime's own threads each answer wakes its task without crossing between threads
        // once more.
        match runtime {
            Some(runtime) => drop(runtime.spawn(async move { settle() })),
            None => settle(),
        }
    }

    fn backend(&mut self) -> Result<&mut Box<dyn Backend>, StoreError> {
        if self.backend.is_none() {
            if let Some((error, since)) = &self.failed
                && since.elapsed() < RETRY
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
            (None, None) => Err(StoreError::Unavailable("not open".to_owned())),
        }
    }
}
