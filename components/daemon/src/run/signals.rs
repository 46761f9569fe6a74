//! Signal handling.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Handlers for SIGTERM, SIGINT and SIGHUP.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
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
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> Action {
        tokio::select! {
            _ = self.terminate.recv() => Action::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Action::Stop("SIGINT"),
            _ = self.hang_up.recv() => Action::Reload,
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
