//! Settings of a host.

use std::collections::HashMap;
use std::fmt;

use super::Host;
use super::state::Shared;
use campanile::connection::Secret;
use campanile::stanza::Stanza;

/// What happens when a second component wants a domain that is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnConflict {
    /// The new one is refused, as by Prosody unless told otherwise.
    #[default]
    KickNew,
    /// The new one wins: Prosody with `component_conflict_resolve = "kick_old"`.
    KickOld,
    /// Both are mounted and get the stanzas in turn. ejabberd does this, at random.
    Share,
}

/// Settings of a host.
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

/// Sees every stanza on its way.
pub(super) type Observer = Box<dyn Fn(&Stanza) + Send + Sync>;

/// What a host was told.
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
    /// The domain of the server itself, which no component can have; `localhost` unless set.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Lets components of any domain attach with this secret.
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(Secret::new(secret));
        self
    }

    /// Lets a component of this domain attach with this secret. The domain is compared byte for
    /// byte, as by Prosody.
    pub fn component(mut self, domain: impl Into<String>, secret: impl Into<String>) -> Self {
        self.secrets.insert(domain.into(), Secret::new(secret));
        self
    }

    /// Lets clients log in as this localpart of the host's own domain, once
    /// [`Host::listen_for_clients`] is called. A name that is no localpart is nobody's.
    pub fn account(mut self, localpart: impl Into<String>, password: impl Into<String>) -> Self {
        self.accounts
            .insert(localpart.into(), Secret::new(password));
        self
    }

    /// What happens when a second component wants a domain that is taken.
    pub fn on_conflict(mut self, on_conflict: OnConflict) -> Self {
        self.on_conflict = on_conflict;
        self
    }

    /// Calls this for every stanza that is routed, before it is delivered.
    pub fn observer(mut self, observer: impl Fn(&Stanza) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Opens the host. Without any secret, no component can attach.
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
    /// The secret of a component with this domain, written as in its stream header; `None` when
    /// there is none.
    pub(super) fn secret_for(&self, domain: &str) -> Option<&Secret> {
        if domain == self.domain {
            return None;
        }
        self.secrets
            .get(domain)
            .or_else(|| self.secret.as_ref().filter(|_| is_domain(domain)))
    }

    /// Whether a component may come to this domain, so that it counts as offline and not as
    /// unknown.
    pub(super) fn expects(&self, domain: &str) -> bool {
        let below = || {
            domain
                .strip_suffix(&self.domain)
                .is_some_and(|rest| rest.ends_with('.'))
        };
        self.secrets.contains_key(domain) || (self.secret.is_some() && below())
    }
}

/// A domain in its prepared form: Prosody would not find any other.
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
