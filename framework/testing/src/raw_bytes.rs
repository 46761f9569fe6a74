//! What no server would send.

use crate::host::Host;

/// With the feature `testing`.
impl Host {
    /// Sends these bytes to the component of this domain as they are: stray text, a forged sender,
    /// half a stanza, a closing tag with the connection left open.
    ///
    /// # Panics
    /// When no component is mounted there, or when it takes nothing any more.
    #[track_caller]
    pub fn inject(&self, domain: &str, bytes: &str) {
        assert!(
            self.push_raw(domain, bytes.as_bytes()),
            "no component on {domain} takes {bytes}"
        );
    }
}
