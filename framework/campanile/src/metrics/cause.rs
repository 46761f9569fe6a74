//! Causes of lost connections and failed attempts, classified for counting.

use super::Counter;
use crate::error::LinkError;

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// The cause of a lost connection or a failed connection attempt.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[$doc])* $name,)+
        }

        impl Cause {
            /// All causes.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Returns the name used in metric labels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

causes! {
    /// The server closed the stream or the connection.
    Closed = "closed",
    /// The connection was refused: nothing listens at the server's address.
    NothingListens = "nothing_listens",
    /// An I/O or TLS error.
    Io = "io",
    /// Connecting, the stream header or the handshake timed out.
    Timeout = "timeout",
    /// The keepalive ping through the server was lost or rejected.
    NoRoute = "no_route",
    /// The server accepted no bytes for too long.
    Stalled = "stalled",
    /// The server did not send a valid XMPP stream.
    NoXmpp = "no_xmpp",
    /// The domain is in use by another connection.
    Conflict = "conflict",
    /// The secret is wrong, or, on ejabberd, the domain.
    NotAuthorized = "not_authorized",
    /// The server does not know the component.
    HostUnknown = "host_unknown",
    /// The server is shutting down.
    SystemShutdown = "system_shutdown",
    /// The server could not parse a stanza.
    NotWellFormed = "not_well_formed",
    /// A stanza was too large for the server, or the component sent too fast.
    PolicyViolation = "policy_violation",
    /// The server rejected the sender of a stanza.
    InvalidFrom = "invalid_from",
    /// Any other stream error.
    StreamError = "stream_error",
    /// The code that serves the stream panicked.
    Internal = "internal",
}

impl Cause {
    /// Returns the cause that an error is counted as.
    #[must_use]
    pub(crate) fn of(error: &LinkError) -> Self {
        match error {
            LinkError::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Self::NothingListens
            }
            LinkError::Io(_) => Self::Io,
            LinkError::Closed => Self::Closed,
            LinkError::TimedOut(_) => Self::Timeout,
            LinkError::NoRoute => Self::NoRoute,
            LinkError::Stalled => Self::Stalled,
            LinkError::Read(_) | LinkError::Protocol(_) => Self::NoXmpp,
            LinkError::Panicked(_) => Self::Internal,
            LinkError::Stream(error) => Self::of_condition(&error.condition),
        }
    }

    fn of_condition(condition: &str) -> Self {
        match condition {
            "conflict" => Self::Conflict,
            "not-authorized" => Self::NotAuthorized,
            "host-unknown" => Self::HostUnknown,
            "system-shutdown" => Self::SystemShutdown,
            "not-well-formed" => Self::NotWellFormed,
            "policy-violation" => Self::PolicyViolation,
            "invalid-from" => Self::InvalidFrom,
            _ => Self::StreamError,
        }
    }
}

/// One counter per cause.
#[derive(Debug)]
pub(crate) struct Causes([Counter; Cause::ALL.len()]);

impl Default for Causes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl Causes {
    pub(crate) fn inc(&self, cause: Cause) {
        self.0[cause as usize].inc();
    }

    /// Returns the causes that have occurred, with their counts.
    pub(crate) fn read(&self) -> Vec<(Cause, u64)> {
        let all = Cause::ALL
            .iter()
            .map(|cause| (*cause, self.0[*cause as usize].get()));
        all.filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::StreamError;

    #[test]
    fn causes_have_distinct_counters_and_names() {
        let causes = Causes::default();
        Cause::ALL.iter().for_each(|cause| causes.inc(*cause));
        let read = causes.read();
        assert_eq!(read.len(), Cause::ALL.len());
        let mut names: Vec<_> = read
            .iter()
            .map(|(cause, count)| (cause.as_str(), *count))
            .collect();
        names.dedup();
        assert_eq!(names.len(), Cause::ALL.len());
        assert!(names.iter().all(|(_, count)| *count == 1));
    }

    #[test]
    fn errors_are_classified() {
        let stream = |condition: &str| {
            LinkError::Stream(StreamError {
                condition: condition.to_owned(),
                text: None,
            })
        };
        assert_eq!(Cause::of(&stream("conflict")), Cause::Conflict);
        assert_eq!(Cause::of(&stream("reset")), Cause::StreamError);
        assert_eq!(
            Cause::of(&LinkError::Io(std::io::ErrorKind::ConnectionRefused.into())),
            Cause::NothingListens
        );
        assert_eq!(
            Cause::of(&LinkError::Io(std::io::ErrorKind::BrokenPipe.into())),
            Cause::Io
        );
    }
}
