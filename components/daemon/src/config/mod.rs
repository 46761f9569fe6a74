//! The configuration file: every fault at once, each with its position and a remedy.
//!
//! [`document`] parses the file and resolves secrets; the settings types of the components are read
//! from the result, and [`compose`] checks what concerns several of them.

mod access;
mod admin;
mod component;
mod compose;
mod document;
mod domain;
mod draft;
mod fault;
mod file;
mod modules;
mod nearest;
mod places;
mod presence;
pub(crate) mod schema;
mod secret;
mod server;
mod setting_fault;
mod source;
mod state_file;
mod tap;
mod tap_store;
mod tokens;
mod vcard;

pub(crate) use self::access::{Access, Rate};
pub(crate) use self::admin::Admin;
pub(crate) use self::component::{Component, Logger};
use self::document::Document;
pub(crate) use self::fault::Fault;
use self::fault::Faults;
pub(crate) use self::modules::Chosen;
pub(crate) use self::presence::{Presence, PresenceStore};
pub(crate) use self::source::Source;
pub(crate) use self::tap::Tap;
use crate::exit::Exit;

/// A configuration without faults.
#[derive(Debug)]
pub(crate) struct Config {
    /// The file as named by the operator, or `stdin`.
    pub(crate) name: String,
    pub(crate) components: Vec<Component>,
    pub(crate) admin: Option<Admin>,
    /// Problems that do not prevent the components from running.
    pub(crate) warnings: Vec<Fault>,
}

/// The reason a configuration could not be loaded.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The file could not be read, or its modules could not be built.
    Unread { exit: Exit, text: String },
    /// The file has faults.
    Wrong {
        faults: Vec<Fault>,
        warnings: Vec<Fault>,
    },
}

impl Config {
    /// Parses and validates a configuration.
    pub(crate) fn parse(source: &Source) -> Result<Self, Failure> {
        Self::collect(source, |faults| faults)
    }

    /// As [`parse`](Self::parse), for commands that connect to no server: secrets in files,
    /// variables and credentials are not read.
    pub(crate) fn parse_without_secrets(source: &Source) -> Result<Self, Failure> {
        Self::collect(source, |faults| faults.without_secrets())
    }

    fn collect(
        source: &Source,
        set_up: impl for<'t> FnOnce(Faults<'t>) -> Faults<'t>,
    ) -> Result<Self, Failure> {
        let text = match std::str::from_utf8(&source.bytes) {
            Ok(text) => text,
            Err(error) => {
                let good = source.bytes.get(..error.valid_up_to()).unwrap_or_default();
                let good = String::from_utf8_lossy(good);
                let mut faults = Faults::new(source, &good);
                faults.push(
                    &(good.len()..good.len()),
                    "invalid UTF-8",
                    "save the file as UTF-8",
                );
                return Err(faults.into());
            }
        };
        let mut faults = set_up(Faults::new(source, text));
        let table = document::parse(text, &mut faults);
        let document = Document::new(text, table.get_ref());
        let (components, admin) = compose::compose(&document, &mut faults);
        let (found, warnings) = faults.finish();
        if !found.is_empty() {
            return Err(Failure::Wrong {
                faults: found,
                warnings,
            });
        }
        Ok(Self {
            name: source.name.clone(),
            components,
            admin,
            warnings,
        })
    }
}

impl From<Faults<'_>> for Failure {
    fn from(faults: Faults<'_>) -> Self {
        let (faults, warnings) = faults.finish();
        Self::Wrong { faults, warnings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let text = "[[component]]\njid='a.b'\naddress='c:1'\nsecret='hunter2'";
        let config = Config::parse(&Source::built_in("test", text)).unwrap();
        assert_eq!(config.components.len(), 1);
        assert!(!format!("{config:?} {config:#?}").contains("hunter2"));
    }
}
