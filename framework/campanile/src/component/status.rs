//! The connection status of a component.

use std::time::Duration;

use tokio::sync::watch;

use crate::error::LinkError;

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
#[derive(Debug)]
pub struct RunError {
    kind: RunErrorKind,
    text: String,
    source: Option<crate::error::BoxError>,
}

/// The kind of a [`RunError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunErrorKind {
    /// The server refused the component on its first connection.
    Refused,
    /// The service or a module failed permanently.
    Service,
}

impl RunError {
    pub(super) fn refused(text: String, source: LinkError) -> Self {
        Self {
            kind: RunErrorKind::Refused,
            text,
            source: Some(Box::new(source)),
        }
    }

    pub(super) fn service(text: &str, source: crate::error::BoxError) -> Self {
        Self {
            kind: RunErrorKind::Service,
            text: text.to_owned(),
            source: Some(source),
        }
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> RunErrorKind {
        self.kind
    }
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

pub(super) type Watch = watch::Sender<Status>;
