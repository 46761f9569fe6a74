//! Settings of a host.

use std::collections::HashMap;

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
