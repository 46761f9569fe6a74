//! The destination of replies, as the dispatcher sees it.

use tokio::time::Instant;

use crate::client::Shared;
use crate::stanza::{Stanza, WriteError};

/// A buffer of outbound stanzas that takes replies.
pub(crate) trait ReplySink {
    /// Returns the current time, precise enough for the age of a reply.
    fn now(&self) -> Instant;

    /// Serializes a reply to `request`, whose age counts from `since`. It always fits, because the
    /// number of handlers in flight is limited.
    ///
    /// # Errors
    /// If the reply cannot be serialized. Nothing is written then.
    fn write_reply(
        &mut self,
        shared: &Shared,
        reply: Stanza,
        request: &Stanza,
        since: Instant,
    ) -> Result<(), WriteError>;
}
