//! The limits on stanzas and tags.

use super::ReadError;

/// The upper limit of `max_stanza`, because offsets within a stanza have 32 bits.
const MAX_STANZA: usize = 1 << 30;

/// Limits on the stanzas that a [`Reader`](super::Reader) accepts.
///
/// Two further limits are fixed: 128 attributes per element, and 256 namespace bindings in scope,
/// including those of the stream header. A stanza that exceeds them is rejected with
/// [`StanzaDefect::TooDeep`](super::StanzaDefect::TooDeep).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderLimits {
    /// The maximum size of a stanza, in bytes. The default is 1 MiB, the upper limit 1 GiB.
    ///
    /// A larger stanza is [rejected](super::Event::Rejected), and the stream continues. A single
    /// *tag* larger than this is [`ReadError::TagTooLarge`], which ends the stream.
    pub max_stanza: usize,
    /// The maximum nesting depth, where the stanza itself has depth 1. The default is 64.
    ///
    /// A deeper stanza is [rejected](super::Event::Rejected), and the stream continues.
    pub max_depth: usize,
}

impl Default for ReaderLimits {
    fn default() -> Self {
        Self {
            max_stanza: 1024 * 1024,
            max_depth: 64,
        }
    }
}

impl ReaderLimits {
    /// Returns the limits with `max_stanza` reduced to its upper limit.
    pub(super) fn clamped(self) -> Self {
        Self {
            max_stanza: self.max_stanza.min(MAX_STANZA),
            ..self
        }
    }

    /// Checks the size of a tag. `found` is its length, or `None` while it is incomplete.
    #[inline]
    pub(super) fn check_tag(
        self,
        found: Option<usize>,
        rest: &[u8],
    ) -> Result<Option<usize>, ReadError> {
        if found.unwrap_or(rest.len()) > self.max_stanza {
            Err(ReadError::TagTooLarge)
        } else {
            Ok(found)
        }
    }
}
