//! Secrets of webhooks and tokens of callers, shown to nobody.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// A secret that `Debug` does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for whoever it is meant for.
    #[cfg(feature = "nats")]
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether this is the same text. How long that takes says nothing about where they differ.
    #[must_use]
    pub fn is(&self, other: &str) -> bool {
        // Of equal length whatever is given: what is compared are digests under a key that is used
        // once.
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"campanile token");
        let digest = hmac::sign(&key, self.0.as_bytes());
        hmac::verify(&key, other.as_bytes(), digest.as_ref()).is_ok()
    }

    /// The signature of a message by Standard Webhooks 1.0.0: `v1,` and the HMAC of
    /// `id.timestamp.body`.
    #[must_use]
    pub fn signature(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.key()));
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }

    /// `whsec_` and base64, as Standard Webhooks writes secrets; else the text as it is.
    fn key(&self) -> Vec<u8> {
        let encoded = self
            .0
            .strip_prefix("whsec_")
            .and_then(|text| STANDARD.decode(text).ok());
        encoded.unwrap_or_else(|| self.0.clone().into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_match_standard_webhooks() {
        // The example of the specification's libraries.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = secret.signature(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn tokens_must_match_exactly() {
        let token = Secret::new("abc");
        assert!(token.is("abc") && !token.is("ab") && !token.is("abcd") && !token.is(""));
        assert_eq!(format!("{token:?}"), "Secret(…)");
    }
}
