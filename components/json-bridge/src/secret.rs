//! Webhook secrets and API tokens that are never printed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde::Deserialize;

/// A webhook secret or an API token.
///
/// `Debug` prints a placeholder instead of the value.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    ///
    /// A webhook secret has the form of Standard Webhooks, `whsec_` and the base64 of 24 to 64
    /// bytes, which [`Webhook::new`](crate::Webhook::new) checks.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// Returns the secret itself, which must not be logged.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns `true` if the secret equals `other`.
    ///
    /// The comparison takes constant time, so that its duration does not reveal where the two
    /// differ.
    #[must_use]
    pub fn is(&self, other: &str) -> bool {
        // Digests are compared, which have equal length for any input.
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"campanile token");
        let digest = hmac::sign(&key, self.0.as_bytes());
        hmac::verify(&key, other.as_bytes(), digest.as_ref()).is_ok()
    }

    /// Returns the Standard Webhooks 1.0.0 signature of a message.
    ///
    /// The signature is `v1,` followed by the base64 of the HMAC-SHA256 of `id.timestamp.body`.
    /// `timestamp` is in seconds since 1970.
    #[must_use]
    pub fn signature(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.key()));
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }

    /// Returns the HMAC key: the decoded base64 after `whsec_`, or else the text itself.
    fn key(&self) -> Vec<u8> {
        self.webhook_key()
            .unwrap_or_else(|| self.0.clone().into_bytes())
    }

    /// Returns the key of a webhook secret as Standard Webhooks writes it: `whsec_` and the base64
    /// of 24 to 64 bytes.
    pub(crate) fn webhook_key(&self) -> Option<Vec<u8>> {
        let key = STANDARD.decode(self.0.strip_prefix("whsec_")?).ok()?;
        (24..=64).contains(&key.len()).then_some(key)
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
        // The example used by the Standard Webhooks libraries.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = secret.signature(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn webhook_secrets_have_24_to_64_bytes_in_base64() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for good in [of(24), of(32), of(64)] {
            assert!(Secret::new(&good).webhook_key().is_some(), "{good}");
        }
        let unpadded = of(32).trim_end_matches('=').to_owned();
        let broken = format!("{}\n", of(24));
        for bad in [
            "whsec_",
            "hunter2",
            "",
            &of(23),
            &of(65),
            &unpadded,
            &broken,
        ] {
            assert!(Secret::new(bad).webhook_key().is_none(), "{bad}");
        }
    }

    #[test]
    fn tokens_must_match_exactly() {
        let token = Secret::new("abc");
        assert!(token.is("abc") && !token.is("ab") && !token.is("abcd") && !token.is(""));
        assert_eq!(format!("{token:?}"), "Secret(…)");
    }
}
