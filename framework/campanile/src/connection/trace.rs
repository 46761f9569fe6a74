//! What crosses the wire, as trace events of the target `campanile::wire`: for looking on while
//! something goes wrong.
//!
//! One event for each read and each write, so that nothing is paid for a stanza. The handshake is
//! over by then: what is shown holds no secret of ours, but everything that people write.

use jid::Jid;
use tracing::Level;

const TARGET: &str = "campanile::wire";

/// Whether anybody looks on.
#[inline]
pub(super) fn is_enabled() -> bool {
    tracing::enabled!(target: TARGET, Level::TRACE)
}

#[cold]
pub(super) fn log(jid: &Jid, way: &str, bytes: &[u8]) {
    // A read may end within a character; Debug escapes what would break a line.
    let xml = String::from_utf8_lossy(bytes);
    tracing::trace!(target: TARGET, %jid, bytes = bytes.len(), ?xml, "{way}");
}
