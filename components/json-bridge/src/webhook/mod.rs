//! Web handlers: one signed POST for each attempt, and what its answer means.

mod connect;
mod guard;
mod outcome;
mod post;

use std::time::Duration;

use hyper::Uri;

pub(crate) use self::outcome::Outcome;
pub(crate) use self::outcome::unreachable;
pub(crate) use self::post::Poster;
use crate::secret::Secret;

/// Where the stanzas of a bot are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub(crate) url: Uri,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) guarded: bool,
    /// How long one attempt may take.
    pub(crate) timeout: Duration,
}

impl Webhook {
    /// A webhook at a URL that the operator wrote: it may lead anywhere.
    ///
    /// Each secret signs, so that one can be exchanged while both sides know the old one. Without
    /// any, nothing is signed.
    ///
    /// # Errors
    /// When the text is no absolute http or https URL.
    pub fn new(url: &str, secrets: impl IntoIterator<Item = Secret>) -> Result<Self, String> {
        let parsed: Uri = url
            .parse()
            .map_err(|error| format!("{url:?} is no URL: {error}"))?;
        if !matches!(parsed.scheme_str(), Some("http" | "https")) || parsed.host().is_none() {
            return Err(format!("{url:?} is no http or https URL"));
        }
        if parsed
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(
                "the URL holds a name or a password: requests are signed instead".to_owned(),
            );
        }
        let secrets = secrets.into_iter().collect();
        Ok(Self {
            url: parsed,
            secrets,
            guarded: false,
            timeout: Duration::from_secs(20),
        })
    }

    /// The URL comes from somebody else: it must not lead to a private address.
    #[must_use]
    pub fn guarded(mut self) -> Self {
        self.guarded = true;
        self
    }

    /// How long one attempt may take, in place of 20 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}
