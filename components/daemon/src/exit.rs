//! Exit codes, a stable interface for operators and service managers.

use std::process::ExitCode;

/// All exit codes; the numbers are those of sysexits.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Success, or a graceful shutdown.
    Done = 0,
    /// Wrong usage of the command line.
    Usage = 64,
    /// Every component was refused by its server.
    Refused = 69,
    /// Internal error, or a shutdown forced by a second signal.
    Fault = 70,
    /// System error: JID already served, port in use, permission denied, disk full.
    Machine = 71,
    /// Invalid or missing configuration.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
