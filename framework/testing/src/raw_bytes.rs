//! Injection of raw bytes into a component's stream.

use crate::host::Host;

/// Fault injection, with the feature `testing`.
impl Host {
    /// Sends bytes to the component of this domain unchanged: stray text, a forged sender, a
    /// partial stanza, a closing tag on a connection that stays open.
    ///
    /// # Panics
    /// If no component is mounted on the domain, or if its stream has ended.
    #[track_caller]
    pub fn inject(&self, domain: &str, bytes: &str) {
        assert!(
            self.push_raw(domain, bytes.as_bytes()),
            "no component on {domain} accepts {bytes}"
        );
    }
}
