//! The signals that ask a process to stop.

/// Waits until the process is asked to stop: by SIGINT, which Ctrl+C sends, or by SIGTERM, which
/// service managers and container runtimes send. On Windows, waits for Ctrl+C.
///
/// Pass it to [`Component::run_until`](crate::component::Component::run_until), so that the
/// component shuts down gracefully:
///
/// ```no_run
/// use campanile::{Component, Router, shutdown_signal};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let bot = Component::builder("bot.localhost")
///     .server("127.0.0.1:5347")
///     .secret("change me")
///     .router(Router::new())
///     .build()?;
/// bot.run_until(shutdown_signal()).await?;
/// # Ok(())
/// # }
/// ```
///
/// The future listens from its first poll on. From then on, neither signal ends the process by
/// itself, so a second Ctrl+C does not interrupt the shutdown;
/// [`Limits::shutdown_grace`](crate::limits::Limits::shutdown_grace) bounds how long it takes. A
/// signal whose handler cannot be installed keeps its default effect, which is to end the process.
///
/// # Panics
/// Panics if it is polled outside of a tokio runtime, or if the runtime has no I/O driver.
/// `#[tokio::main]` enables it.
pub async fn shutdown_signal() {
    tokio::select! {
        () = interrupt() => {}
        () = terminate() => {}
    }
}

async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminate() {
    use tokio::signal::unix::{SignalKind, signal};

    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            terminate.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}
