//! Tests of the limits of the pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use parking_lot::Mutex;

use super::{MAX_READERS, MAX_WAITING};
use crate::store::{Backend, SqliteStore, Store, StoreError};

/// A store in memory is not shared by connections, so this one is on disk.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let name = format!("campanile-pool-{}-{name}.db", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    async fn store(&self) -> Store {
        let store = Store::new(SqliteStore::new(&self.0));
        store.write(|_| Ok(())).await.unwrap();
        store
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Jobs that run until they are released.
#[derive(Clone)]
struct Jobs {
    running: Arc<AtomicUsize>,
    begun: Sender<()>,
    released: Arc<Mutex<Receiver<()>>>,
}

impl Jobs {
    fn new() -> (Self, Receiver<()>, Sender<()>) {
        let (begun, began) = channel();
        let (release, released) = channel();
        let jobs = Self {
            running: Arc::default(),
            begun,
            released: Arc::new(Mutex::new(released)),
        };
        (jobs, began, release)
    }

    fn job(&self) -> impl FnOnce(&mut dyn Backend) -> Result<(), StoreError> + Send + use<> {
        let jobs = self.clone();
        move |_| {
            jobs.running.fetch_add(1, Ordering::SeqCst);
            jobs.begun.send(()).unwrap();
            // An error means that the test is over.
            let _ = jobs.released.lock().recv();
            Ok(())
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abandoned_query_keeps_its_turn_until_it_ends() {
    let file = File::new("abandoned");
    let store = file.store().await;
    let (jobs, began, release) = Jobs::new();
    for _ in 0..MAX_READERS {
        let reading = tokio::spawn({
            let store = store.clone();
            let job = jobs.job();
            async move { store.read(job).await }
        });
        began.recv().unwrap();
        reading.abort();
        assert!(reading.await.unwrap_err().is_cancelled());
    }
    // All threads are busy with queries whose callers are gone.
    assert_eq!(store.read_pool.workers.free(), 0);
    let waiting = tokio::spawn({
        let store = store.clone();
        let job = jobs.job();
        async move { store.read(job).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(jobs.running.load(Ordering::SeqCst), MAX_READERS);
    for _ in 0..=MAX_READERS {
        release.send(()).unwrap();
    }
    waiting.await.unwrap().unwrap();
    assert_eq!(jobs.running.load(Ordering::SeqCst), MAX_READERS + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queue_of_queries_is_bounded() {
    let file = File::new("bounded");
    let store = file.store().await;
    let (jobs, began, release) = Jobs::new();
    let mut tasks = tokio::task::JoinSet::new();
    let mut read = |count| {
        for _ in 0..count {
            let store = store.clone();
            let job = jobs.job();
            tasks.spawn(async move { store.read(job).await });
        }
    };
    read(MAX_READERS);
    (0..MAX_READERS).for_each(|_| began.recv().unwrap());
    read(MAX_WAITING + 10);
    for _ in 0..10 {
        assert_eq!(
            tasks.join_next().await.unwrap().unwrap(),
            Err(StoreError::Full)
        );
    }
    drop(release);
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
}

/// Each query that got the permit of an earlier one started a thread, as that of the earlier one
/// was not idle yet: 2,500 searches left 450 threads and 129 MiB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn burst_of_queries_shares_few_threads() {
    let file = File::new("burst");
    let store = file.store().await;
    let threads = Arc::new(Mutex::new(std::collections::HashSet::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..MAX_WAITING / 2 {
        let store = store.clone();
        let seen = Arc::clone(&threads);
        let job = move |_: &mut dyn Backend| {
            seen.lock().insert(std::thread::current().id());
            Ok(())
        };
        tasks.spawn(async move { store.read(job).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    let threads = threads.lock().len();
    // A thread that went back to the runtime in a pause may be followed by another one.
    assert!(
        (1..=4 * MAX_READERS).contains(&threads),
        "{threads} threads"
    );
}
