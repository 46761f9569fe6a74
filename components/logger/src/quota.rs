//! Limits on what one sender or one domain may store.

/// Storage quotas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Maximum bytes per sender (bare JID); `None` for no limit.
    pub per_sender: Option<u64>,
    /// Maximum bytes of all senders of one domain together; `None` for no limit.
    pub per_domain: Option<u64>,
}
