//! Host settings and their builder.

use std::collections::HashMap;
use std::fmt;

use super::Host;
use super::state::Shared;
use campanile::connection::Secret;
use campanile::stanza::Stanza;

/// Policy for a second component that connects to an occupied domain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnConflict {
    /// Rejects the new connection with a `conflict` stream error. This is Prosody's default.
    #[default]
    KickNew,
    /// Closes the old connection with a `conflict` stream error, as Prosody does with
    /// `component_conflict_resolve = "kick_old"`.
    KickOld,
    /// Keeps both connections and distributes stanzas round-robin. ejabberd does the same at
    /// random.
    Share,
}

/// Builder for a [`Host`] with custom settings.
///
/// ```
/// use campanile_testing::host::{Host, OnConflict};
///
/// let host = Host::builder()
///     .component("echo.localhost", "s3cr3t")
///     .account("alice", "wonderland")
///     .on_conflict(OnConflict::KickOld)
///     .build();
/// assert!(host.domains().is_empty());
/// ```
#[must_use = "a builder does nothing before `build`"]
#[derive(Default)]
pub struct HostBuilder {
    domain: Option<String>,
    secret: Option<Secret>,
    secrets: HashMap<String, Secret>,
    accounts: HashMap<String, Secret>,
    on_conflict: OnConflict,
    observer: Option<Observer>,
}

/// Callback that receives every routed stanza.
pub(super) type Observer = Box<dyn Fn(&Stanza) + Send + Sync>;

/// Settings of a running host.
pub(super) struct Settings {
    pub(super) domain: String,
    pub(super) secret: Option<Secret>,
    pub(super) secrets: HashMap<String, Secret>,
    /// Passwords by localpart.
    pub(super) accounts: HashMap<String, Secret>,
    pub(super) on_conflict: OnConflict,
    pub(super) observer: Option<Observer>,
}

impl HostBuilder {
    /// Sets the domain of the server itself, which no component can use. Defaults to `localhost`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Accepts components of any domain with this secret.
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(Secret::new(secret));
        self
    }

    /// Accepts a component of this domain with this secret, which takes precedence over
    /// [`secret`](HostBuilder::secret).
    ///
    /// The domain is compared byte for byte, as in Prosody.
    pub fn component(mut self, domain: impl Into<String>, secret: impl Into<String>) -> Self {
        self.secrets.insert(domain.into(), Secret::new(secret));
        self
    }

    /// Adds an account on the host's own domain, for clients that log in through
    /// [`Host::listen_for_clients`].
    ///
    /// A name that is not a valid localpart is ignored.
    pub fn account(mut self, localpart: impl Into<String>, password: impl Into<String>) -> Self {
        self.accounts
            .insert(localpart.into(), Secret::new(password));
        self
    }

    /// Sets the policy for a second component on an occupied domain. Defaults to
    /// [`OnConflict::KickNew`].
    pub fn on_conflict(mut self, on_conflict: OnConflict) -> Self {
        self.on_conflict = on_conflict;
        self
    }

    /// Sets a callback that is called with every routed stanza before delivery.
    pub fn observer(mut self, observer: impl Fn(&Stanza) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Opens the host. Without a secret, no component can connect.
    #[must_use]
    pub fn build(self) -> Host {
        Host::open(Shared::new(Settings {
            domain: self.domain.unwrap_or_else(|| "localhost".to_owned()),
            secret: self.secret,
            secrets: self.secrets,
            accounts: self.accounts,
            on_conflict: self.on_conflict,
            observer: self.observer,
        }))
    }
}

impl Settings {
    /// Returns the secret for a domain as written in the stream header, or `None` if there is none.
    pub(super) fn secret_for(&self, domain: &str) -> Option<&Secret> {
        if domain == self.domain {
            return None;
        }
        self.secrets
            .get(domain)
            .or_else(|| self.secret.as_ref().filter(|_| is_domain(domain)))
    }

    /// Returns `true` if a component may connect on this domain, which then counts as offline
    /// instead of unknown.
    pub(super) fn expects(&self, domain: &str) -> bool {
        let below = || {
            domain
                .strip_suffix(&self.domain)
                .is_some_and(|rest| rest.ends_with('.'))
        };
        self.secrets.contains_key(domain) || (self.secret.is_some() && below())
    }
}

/// Returns `true` if `text` is a normalized domain. Prosody would not find any other form.
fn is_domain(text: &str) -> bool {
    jid::BareJid::new(text).is_ok_and(|jid| jid.node().is_none() && jid.as_str() == text)
}

impl fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBuilder")
            .field("domain", &self.domain)
            .field("on_conflict", &self.on_conflict)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_requires_normalized_domain() {
        let settings = Settings {
            domain: "localhost".into(),
            secret: Some("any".into()),
            secrets: HashMap::from([("echo.localhost".to_owned(), "own".into())]),
            accounts: HashMap::new(),
            on_conflict: OnConflict::KickNew,
            observer: None,
        };
        assert_eq!(settings.secret_for("echo.localhost"), Some(&"own".into()));
        assert_eq!(settings.secret_for("bot.example.org"), Some(&"any".into()));
        for refused in [
            "localhost",
            "ECHO.localhost",
            "a@echo.localhost",
            "bot.localhost/r",
            "",
        ] {
            assert_eq!(settings.secret_for(refused), None, "{refused:?}");
        }
        assert!(settings.expects("bot.localhost") && settings.expects("echo.localhost"));
        assert!(!settings.expects("notlocalhost") && !settings.expects("example.org"));
    }
}
