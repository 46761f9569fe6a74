//! The builder of a host.

use std::collections::HashMap;
use std::fmt;

use super::Host;
use super::settings::{Observer, OnConflict, Settings};
use super::state::Shared;
use campanile::connection::Secret;
use campanile::stanza::Stanza;

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

impl fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBuilder")
            .field("domain", &self.domain)
            .field("on_conflict", &self.on_conflict)
            .finish_non_exhaustive()
    }
}
