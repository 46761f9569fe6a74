//! What a component is doing, for those who watch it.

use std::time::Duration;

use tokio::sync::watch;

use crate::error::LinkError;

/// Where a component stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Not connected yet.
    Connecting,
    /// Mounted: the server has taken the handshake.
    Mounted {
        /// Stanzas are known to reach us: a ping to ourselves came back, or others' stanzas keep
        /// coming.
        live: bool,
    },
    /// The link is lost, or was never there; it is tried again.
    Waiting {
        /// What went wrong, and what to change where that can be said.
        why: String,
        /// When the next attempt is made, counted from the moment of this status.
        retry: Duration,
        /// The server refused us: only a changed configuration will help.
        refused: bool,
    },
    /// Ended; it will not connect again.
    Ended,
}

impl Status {
    /// Mounted, and stanzas are known to reach us.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Mounted { live: true })
    }
}

/// Why [`run_until`](super::Component::run_until) came back without having been asked to.
#[derive(Debug)]
pub struct RunError {
    kind: RunErrorKind,
    text: String,
    source: Option<crate::error::BoxError>,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunErrorKind {
    /// The server refuses this component, and it was never mounted.
    Refused,
    /// The service or a module failed for good.
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

    /// What went wrong.
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
