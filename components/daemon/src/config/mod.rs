//! The configuration: read once, every fault found at once, each with its place and its remedy.

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
    /// How people know it.
    pub(crate) name: String,
    pub(crate) components: Vec<Component>,
    pub(crate) admin: Option<Admin>,
    /// What works, and should not stay as it is.
    pub(crate) warnings: Vec<Fault>,
}

/// Why there is no configuration.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It cannot be read at all.
    Unread { exit: Exit, text: String },
    /// It is wrong.
    Wrong {
        faults: Vec<Fault>,
        warnings: Vec<Fault>,
    },
}

impl Config {
    /// Understands what was read.
    pub(crate) fn parse(source: &Source) -> Result<Self, Failure> {
        let text = match std::str::from_utf8(&source.bytes) {
            Ok(text) => text,
            Err(error) => {
                let good = source.bytes.get(..error.valid_up_to()).unwrap_or_default();
                let good = String::from_utf8_lossy(good);
                let mut faults = Faults::new(source, &good);
                faults.push(
                    &(good.len()..good.len()),
                    "this is no UTF-8",
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
                format!("this is no TOML: {}", error.message()),
                "see https://toml.io",
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
            "there is no [[component]]",
            "write one for each JID that is served",
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
    tap::resolve(&mut components, faults);
    (components, admin)
}

/// A table that stands at the top of the file.
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
            "[component] is one table",
            "write [[component]], with two brackets: there may be several",
        );
        return Vec::new();
    }
    let items = value.list("tables", faults).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.table("[[component]]", faults))
        .collect()
}

/// One JID is one connection: a second one would be refused by the server, or steal half of the
/// stanzas.
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
