//! The shared secret of a component.

use std::fmt::{self, Write};

use sha1::{Digest, Sha1};

/// The secret of a component, which is never printed: its `Debug` output hides it, and there is no
/// `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Creates a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// Returns the proof of knowledge for a stream: SHA-1 of stream id and secret, in lower-case
    /// hexadecimal (XEP-0114 §3). ejabberd takes no upper-case digits.
    #[must_use]
    #[doc(hidden)]
    pub fn handshake(&self, stream_id: &str) -> String {
        let mut hash = Sha1::new();
        hash.update(stream_id.as_bytes());
        hash.update(self.0.as_bytes());
        let mut hex = String::with_capacity(40);
        for byte in hash.finalize() {
            // Writing to a string does not fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }

    /// Returns the secret itself, for logins that need it. Do not log it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_sha1_in_lower_case() {
        let digest = Secret::new("hunter2").handshake("3BF96D32");
        assert_eq!(digest.len(), 40);
        assert!(
            digest
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        );
        // Checked against `printf 3BF96D32hunter2 | sha1sum`.
        assert_eq!(digest, "1afcbe9c604aab3cae1c07b36a7403d2bb6bdc74");
    }
}
