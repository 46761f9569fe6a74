//! Tests of the number of threads, their end, and of jobs that fail.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use super::Workers;

/// Returns the threads that ran these jobs.
async fn threads_of(workers: &Arc<Workers>, jobs: usize) -> HashSet<ThreadId> {
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..jobs {
        let workers = Arc::clone(workers);
        let seen = Arc::clone(&seen);
        tasks.spawn(async move {
            let job = move || seen.lock().unwrap().insert(thread::current().id());
            workers.run(job).await.unwrap();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let seen = seen.lock().unwrap();
    seen.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn burst_of_short_jobs_shares_few_threads() {
    let workers = Arc::new(Workers::new("test", 4));
    let threads = threads_of(&workers, 20_000).await;
    // A thread that went back to the runtime in a pause may be followed by another one.
    assert!((1..=16).contains(&threads.len()), "{}", threads.len());
    assert_eq!(workers.free(), 4);
}

#[tokio::test]
async fn jobs_run_at_the_same_time() {
    let workers = Arc::new(Workers::new("test", 3));
    let barrier = Arc::new(std::sync::Barrier::new(3));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let workers = Arc::clone(&workers);
        let barrier = Arc::clone(&barrier);
        tasks.spawn(async move { workers.run(move || barrier.wait().is_leader()).await });
    }
    let mut leaders = 0;
    while let Some(done) = tasks.join_next().await {
        leaders += usize::from(done.unwrap().unwrap());
    }
    assert_eq!(leaders, 1);
}

#[tokio::test]
async fn panic_is_an_error_and_the_thread_continues() {
    let workers = Workers::new("test", 1);
    let error = workers.run(|| panic!("no such bell")).await.unwrap_err();
    let error_text = error.to_string();
    assert_eq!(error_text, "worker panicked: no such bell");
    assert_eq!(workers.run(|| 7).await, Ok(7));
}

#[tokio::test]
async fn threads_end_without_work() {
    let workers = Workers::new("test", 2);
    workers.run(|| ()).await.unwrap();
    let shared = Arc::downgrade(&workers.shared);
    drop(workers);
    while shared.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn paused_clock_waits_for_jobs() {
    let workers = Workers::new("test", 1);
    let job = workers.run(|| thread::sleep(Duration::from_millis(50)));
    let done = tokio::time::timeout(Duration::from_secs(1), job).await;
    done.expect("the clock stands still").unwrap();
}

#[test]
fn jobs_are_run_by_the_next_runtime() {
    let workers = Workers::new("test", 1);
    for number in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let ran = runtime.block_on(workers.run(move || number));
        assert_eq!(ran, Ok(number));
    }
    assert!(polled_once(workers.run(|| ())).is_err());
}

/// Polls a future once, outside of a runtime.
fn polled_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("not ready at the first poll"),
    }
}
