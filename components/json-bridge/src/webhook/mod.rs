//! Webhooks: one signed POST per attempt, and the interpretation of its response.

mod connect;
mod explain;
mod guard;
mod outcome;
mod post;
mod probe;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;

pub(crate) use self::connect::check_certificates;
pub(crate) use self::outcome::{Answer, Outcome, unreachable};
pub(crate) use self::post::{Poster, interpret};
pub(crate) use self::probe::remarks;
use crate::secret::Secret;

/// The webhook of a bot: a URL and the secrets that sign requests to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub(crate) url: Uri,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) guarded: bool,
    pub(crate) timeout: Duration,
    pub(crate) ca_file: Option<PathBuf>,
}

impl Webhook {
    /// Creates a webhook with a trusted URL, which may point to any address.
    ///
    /// Requests carry one signature per secret, so that a secret can be rotated while the handler
    /// still accepts the old one. Without secrets, requests are not signed.
    ///
    /// # Errors
    /// Returns a message if the text is not an absolute http or https URL, if it contains a user
    /// name, a password or an invalid port, or if a secret is not `whsec_` and the base64 of 24 to
    /// 64 bytes (Standard Webhooks).
    pub fn new(url: &str, secrets: impl IntoIterator<Item = Secret>) -> Result<Self, String> {
        let parsed: Uri = url
            .parse()
            .map_err(|error| format!("{url:?} is not a URL: {error}"))?;
        if !matches!(parsed.scheme_str(), Some("http" | "https")) || parsed.host().is_none() {
            return Err(format!("{url:?} is not an http or https URL"));
        }
        if parsed
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(
                "the URL contains a user name or a password; use a webhook secret instead"
                    .to_owned(),
            );
        }
        if let Some(port) = bad_port(&parsed) {
            return Err(format!("{port:?} in the URL is not a port from 1 to 65535"));
        }
        let secrets: Vec<Secret> = secrets.into_iter().collect();
        if secrets.iter().any(|secret| secret.webhook_key().is_none()) {
            return Err(
                "the webhook secret is not `whsec_` and the base64 of 24 to 64 bytes".to_owned(),
            );
        }
        Ok(Self {
            url: parsed,
            secrets,
            guarded: false,
            timeout: Duration::from_secs(20),
            ca_file: None,
        })
    }

    /// Refuses connections to private addresses, for URLs from untrusted sources.
    #[must_use]
    pub fn guarded(mut self) -> Self {
        self.guarded = true;
        self
    }

    /// Trusts the certificates of a PEM file, in addition to those of the system.
    ///
    /// Use it for a webhook with a certificate of your own CA. The file is read when the component
    /// starts.
    #[must_use]
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Sets the timeout of one attempt. Defaults to 20 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl Webhook {
    /// Returns the URL for logs, without its query, which may hold a secret.
    pub(crate) fn shown_url(&self) -> String {
        let scheme = self.url.scheme_str().unwrap_or_default();
        let authority = self
            .url
            .authority()
            .map_or("", |authority| authority.as_str());
        format!("{scheme}://{authority}{}", self.url.path())
    }
}

/// Returns the port of a URL, if it is not a valid one.
///
/// `Uri` accepts any digits as a port, and then has none, so that requests would go to port 80.
fn bad_port(url: &Uri) -> Option<&str> {
    let authority = url.authority()?.as_str();
    let host = url.host().unwrap_or_default();
    let port = authority.strip_prefix(host)?.strip_prefix(':')?;
    (!port.parse::<u16>().is_ok_and(|port| port > 0) || port.starts_with('+')).then_some(port)
}
