//! The asynchronous runtime of a command.

use std::future::Future;

use crate::diagnostics;
use crate::exit::Exit;
use crate::log::LogFormat;

/// Runs a future to completion on a multi-threaded runtime.
pub(crate) fn block_on(format: LogFormat, work: impl Future<Output = Exit>) -> Exit {
    // Each component is one connection: more than two threads would only move work between caches.
    let threads = std::env::var("TOKIO_WORKER_THREADS")
        .ok()
        .and_then(|text| text.parse().ok());
    let threads = threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |all| all.get().min(2)));
    let built = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .enable_all()
        .build();
    let runtime = match built {
        Ok(runtime) => runtime,
        Err(error) => {
            diagnostics::line(&format!("cannot start threads: {error}"), format);
            return Exit::Machine;
        }
    };
    let exit = runtime.block_on(work);
    // A name resolution that is still running would delay the exit.
    runtime.shutdown_background();
    exit
}
