//! The server that a component connects to.

use crate::connection::{Connect, Secret};

/// The server to connect to, and the secret to use.
#[derive(Clone)]
pub(super) struct Target {
    /// The address as configured, for logs and errors.
    pub(super) server: String,
    /// The server is on this machine.
    pub(super) local: bool,
    pub(super) connect: Connect,
    pub(super) secret: Secret,
}
