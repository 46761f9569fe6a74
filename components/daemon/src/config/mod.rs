//! The configuration file: one walk finds every fault, each with its position and a remedy.

mod access;
mod admin;
mod bridge;
mod component;
#[cfg(feature = "postgres")]
mod database;
mod disco;
mod fault;
mod limits;
mod logger;
mod modules;
mod nats;
mod nearest;
mod presence;
mod secret;
mod server;
mod source;
mod table;
mod tap;
mod tap_store;
pub(crate) mod unit;
mod vcard;

use toml::de::DeTable;

pub(crate) use self::access::{Access, Rate};
pub(crate) use self::admin::Admin;
pub(crate) use self::bridge::Bridge;
pub(crate) use self::component::Component;
pub(crate) use self::disco::{Disco, Identity};
pub(crate) use self::fault::Fault;
use self::fault::Faults;
pub(crate) use self::logger::{Logger, StoreAddress};
pub(crate) use self::modules::Chosen;
pub(crate) use self::presence::{Presence, PresenceStore};
use self::server::Server;
pub(crate) use self::source::Source;
use self::table::{Table, Value};
pub(crate) use self::tap::Tap;
use crate::builtin_modules;
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
        let mut faults = Faults::new(source, text);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            faults.push_broken(
                &span,
                format!("invalid TOML: {}", error.message()),
                "see https://toml.io; strings need quotation marks",
            );
        }
        let (components, admin) = top(
            Table::new("the file", 0..0, document.get_ref()),
            &mut faults,
        );
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

fn top(mut table: Table<'_>, faults: &mut Faults<'_>) -> (Vec<Component>, Option<Admin>) {
    let defaults = table.table("server", "[server]", faults).map(|mut table| {
        let server = Server::read(&mut table, faults);
        table.finish(faults);
        server
    });
    let defaults = defaults.unwrap_or_default();
    let tables = table
        .take("component")
        .map(|value| component_tables(&value, faults));
    if tables.is_none() {
        faults.push(
            &(0..0),
            "no [[component]] in the file",
            "write one [[component]] for each JID to serve",
        );
    }
    let read = |table| Component::read(table, &defaults, faults);
    let mut components: Vec<Component> = tables.into_iter().flatten().filter_map(read).collect();
    let admin = table
        .table("admin", "[admin]", faults)
        .and_then(|table| admin::read(table, faults));
    for misplaced in builtin_modules::catalog().names() {
        misplace(&mut table, misplaced, faults);
    }
    for misplaced in ["disco", "json_bridge", "limits", "presence", "tap", "vcard"] {
        misplace(&mut table, misplaced, faults);
    }
    table.finish(faults);
    each_jid_once(&components, faults);
    tap_store::resolve(&mut components, faults);
    (components, admin)
}

/// Reports a component's table at the top level of the file.
fn misplace(table: &mut Table<'_>, name: &'static str, faults: &mut Faults<'_>) {
    let what = format!("[{name}] belongs to a component");
    table.refuse(
        name,
        &what,
        &format!("write [component.{name}] below its [[component]]"),
        faults,
    );
}

fn component_tables<'t>(value: &Value<'t>, faults: &mut Faults<'_>) -> Vec<Table<'t>> {
    if value.is_table() {
        faults.push(
            &value.key_span,
            "[component] is a single table",
            "write [[component]] with double brackets; a file may have several",
        );
        return Vec::new();
    }
    let items = value.list("tables", faults).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.table("[[component]]", faults))
        .collect()
}

/// Reports JIDs that occur twice.
///
/// A second connection for a JID would be refused by the server, or receive half of the stanzas.
fn each_jid_once(components: &[Component], faults: &mut Faults<'_>) {
    for (index, component) in components.iter().enumerate() {
        if let Some(first) = components[..index]
            .iter()
            .find(|earlier| earlier.jid == component.jid)
        {
            let (line, _) = faults.position(&first.span);
            let what = format!(
                "{} is already served by the [[component]] at line {line}",
                component.jid
            );
            faults.push(
                &component.span,
                what,
                "mount everything for one JID in one [[component]]",
            );
        }
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
