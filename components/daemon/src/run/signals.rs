//! Signal handling.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Duration, Instant};

/// The same stop signal twice within this time counts once: service managers and process groups
/// may deliver it twice.
const ONE_STOP: Duration = Duration::from_secs(1);

/// Handlers for SIGTERM, SIGINT and SIGHUP.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// The last stop signal, and its time.
    stopped: Option<(&'static str, Instant)>,
}

/// The action requested by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Stop; holds the name of the signal.
    Stop(&'static str),
    /// Reload the configuration.
    Reload,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            stopped: None,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> Action {
        loop {
            let signal = tokio::select! {
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
                _ = self.hang_up.recv() => return Action::Reload,
            };
            let again = |(last, at): (&str, Instant)| last == signal && at.elapsed() < ONE_STOP;
            if !self.stopped.is_some_and(again) {
                self.stopped = Some((signal, Instant::now()));
                return Action::Stop(signal);
            }
            tracing::info!("{signal} received again within {ONE_STOP:?}; counted once");
        }
    }

    /// Waits for the next signal that requests a stop.
    pub(crate) async fn stop(&mut self) -> &'static str {
        loop {
            match self.next().await {
                Action::Stop(signal) => return signal,
                Action::Reload => {
                    tracing::info!("SIGHUP ignored; a reload or shutdown is in progress");
                }
            }
        }
    }
}
