//! The connection status of a component.

use std::time::Duration;

use tokio::sync::watch;

use crate::error::{BoxError, LinkError, write_chain};

/// The connection status of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Not connected yet.
    Connecting,
    /// The server has accepted the handshake.
    Mounted {
        /// `true` if stanzas are known to arrive: the component's ping to itself has returned, or
        /// stanzas from others keep arriving.
        live: bool,
    },
    /// The connection was lost or failed, and will be retried.
    Waiting {
        /// The reason, with a remedy if there is one.
        why: String,
        /// Delay until the next attempt, from the time of this status.
        retry: Duration,
        /// The server refused the component; a change of configuration is needed.
        refused: bool,
    },
    /// The component has ended and will not reconnect.
    Ended,
}

impl Status {
    /// Returns `true` if the component is connected and stanzas are known to arrive.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Mounted { live: true })
    }
}

/// The error if [`run_until`](super::Component::run_until) returns without having been stopped.
///
/// `Debug`, which `main` prints when it returns the error, shows the text and all sources.
pub struct RunError {
    text: String,
    cause: RunErrorCause,
}

enum RunErrorCause {
    Refused(LinkError),
    Service(BoxError),
    Start(BoxError),
}

impl RunError {
    pub(super) fn refused(text: String, error: LinkError) -> Self {
        Self {
            text,
            cause: RunErrorCause::Refused(error),
        }
    }

    pub(super) fn service(text: &str, error: BoxError) -> Self {
        Self {
            text: text.to_owned(),
            cause: RunErrorCause::Service(error),
        }
    }

    pub(super) fn start(error: BoxError) -> Self {
        Self {
            text: "module failed to start".to_owned(),
            cause: RunErrorCause::Start(error),
        }
    }

    /// Returns `true` if a module failed to start, for example because its port is in use.
    #[must_use]
    pub fn is_start_failure(&self) -> bool {
        matches!(self.cause, RunErrorCause::Start(_))
    }

    /// Returns the failure if the server refused the component on its first connection.
    ///
    /// It is `None` if the service or a module failed permanently.
    ///
    /// It is not a [source](std::error::Error::source), because the text of this error describes
    /// it already.
    #[must_use]
    pub fn link_error(&self) -> Option<&LinkError> {
        match &self.cause {
            RunErrorCause::Refused(error) => Some(error),
            RunErrorCause::Service(_) | RunErrorCause::Start(_) => None,
        }
    }
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            RunErrorCause::Refused(_) => None,
            RunErrorCause::Service(error) | RunErrorCause::Start(error) => Some(&**error),
        }
    }
}

impl std::fmt::Debug for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_chain(self, f)
    }
}

pub(super) type Watch = watch::Sender<Status>;
