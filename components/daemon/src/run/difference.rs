//! The changes of a reload, found by comparing setting by setting.

use campanile::jid::BareJid;

use crate::config;

/// Changed settings, by the time they take effect.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    now: Vec<&'static str>,
    next_connection: Vec<&'static str>,
    next_start: Vec<&'static str>,
}

impl Difference {
    pub(crate) fn between(old: &config::Component, new: &config::Component) -> Self {
        let names = |all: &[(&'static str, bool)]| {
            all.iter()
                .filter(|(_, same)| !same)
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
        };
        let mut modules: Vec<_> = old.modules.iter().chain(&new.modules).collect();
        modules.retain(|it| !(old.modules.contains(it) && new.modules.contains(it)));
        let mut chosen: Vec<_> = modules.into_iter().map(|module| module.name).collect();
        chosen.dedup();
        let mut difference = Self {
            now: names(&[
                ("disco", old.disco == new.disco),
                ("logger", old.logger == new.logger),
                ("json_bridge", old.bridge == new.bridge),
                ("presence", old.presence == new.presence),
                ("vcard", old.vcard == new.vcard),
                (
                    "allow and deny",
                    (&old.access.allow, &old.access.deny) == (&new.access.allow, &new.access.deny),
                ),
                (
                    "rate",
                    (old.access.per_sender, old.access.per_domain)
                        == (new.access.per_sender, new.access.per_domain),
                ),
            ]),
            next_connection: names(&[
                ("address", old.address == new.address),
                ("tls", old.tls == new.tls),
                ("secret", old.secret == new.secret),
            ]),
            next_start: names(&[
                ("limits", old.limits == new.limits),
                ("tap", old.tap == new.tap),
            ]),
        };
        difference.now.extend(chosen);
        difference
    }

    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn log(&self, jid: &BareJid) {
        if !self.now.is_empty() {
            tracing::info!(%jid, "settings changed: {}", self.now.join(", "));
        }
        if !self.next_connection.is_empty() {
            let what = self.next_connection.join(", ");
            tracing::warn!(%jid, "settings changed: {what}; they apply to the next connection, the \
                open stream is unaffected");
        }
        if !self.next_start.is_empty() {
            let what = self.next_start.join(", ");
            tracing::warn!(%jid, "settings changed: {what}; they apply after a restart");
        }
    }
}
