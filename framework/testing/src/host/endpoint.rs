//! The places that stanzas for a user are delivered to.

use std::sync::Arc;

use super::mailbox::Mailbox;
use super::raw_stanza::encode;
use super::write_buffer::WriteBuffer;
use campanile::stanza::Stanza;

/// Maximum number of bytes buffered for one client; further stanzas are bounced.
const WAITING: usize = 1024 * 1024;

/// Delivery target of a user's stanzas.
#[derive(Clone)]
pub(super) enum Endpoint {
    /// A virtual user.
    Virtual(Arc<Mailbox>),
    /// A client.
    Client(Arc<WriteBuffer>),
}

impl Endpoint {
    /// Queues a stanza. Returns `false` if there is no capacity.
    pub(super) fn push(&self, stanza: &Stanza) -> bool {
        match self {
            Self::Virtual(mailbox) => mailbox.push(stanza),
            Self::Client(stream) => stream.push_within(&encode(stanza), WAITING).is_ok(),
        }
    }
}
