//! Logs the raw XML of a connection as trace events of the target `campanile::wire`, for debugging.
//!
//! There is one event per read and per write, so that no stanza pays for it. Logging starts after
//! the handshake, so the output contains no secret of the component, but it does contain everything
//! that people write.

use jid::Jid;
use tracing::Level;

const TARGET: &str = "campanile::wire";

/// Returns `true` if the target is enabled.
#[inline]
pub(super) fn is_enabled() -> bool {
    tracing::enabled!(target: TARGET, Level::TRACE)
}

#[cold]
pub(super) fn log(jid: &Jid, way: &str, bytes: &[u8]) {
    // A read may end within a character; Debug escapes line breaks.
    let xml = String::from_utf8_lossy(bytes);
    tracing::trace!(target: TARGET, %jid, bytes = bytes.len(), ?xml, "{way}");
}
