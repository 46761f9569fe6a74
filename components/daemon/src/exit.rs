//! How the process ends: a promise to operators and to what supervises the process.

use std::process::ExitCode;

/// Every exit code there is (the numbers are those of sysexits.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, or stopped in good order.
    Done = 0,
    /// The command line is wrong.
    Usage = 64,
    /// Every component was refused by its server.
    Refused = 69,
    /// A fault of ours, or a stop that a second signal cut short.
    Fault = 70,
    /// The machine refuses: the JID is already served here, no permission, no disk.
    Machine = 71,
    /// The configuration is wrong.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
