//! The signals that a service gets.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Catches SIGTERM, SIGINT and SIGHUP from now on.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// To stop; the signal's name.
    Stop(&'static str),
    /// To read the configuration anew.
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

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Action {
        tokio::select! {
            _ = self.terminate.recv() => Action::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Action::Stop("SIGINT"),
            _ = self.hang_up.recv() => Action::Reload,
        }
    }

    /// The next signal that means to stop.
    pub(crate) async fn stop(&mut self) -> &'static str {
        loop {
            match self.next().await {
                Action::Stop(signal) => return signal,
                Action::Reload => tracing::info!("SIGHUP: not now"),
            }
        }
    }
}
