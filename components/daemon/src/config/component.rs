//! `[[component]]`: one connection and the modules mounted on it.

use std::ops::Range;

use campanile::connection::{Secret, ServerAddress, Tls};
use campanile::jid::{BareJid, Jid};
use campanile::limits::Limits;
use campanile::vcard::VCardModule;

use super::access::{self, Access};
use super::bridge::{self, Bridge};
use super::disco::{self, Disco};
use super::fault::Faults;
use super::logger::{self, Logger};
use super::modules::{self, Chosen};
use super::presence::{self, Presence};
use super::server::Server;
use super::table::{Table, Value};
use super::tap::{self, Tap};
use super::{limits, secret, vcard};
use crate::escape::Escaped;

/// Validated settings of one component.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    pub(crate) jid: BareJid,
    /// Position of the JID in the file.
    pub(super) span: Range<usize>,
    pub(crate) address: ServerAddress,
    pub(crate) tls: Option<Tls>,
    pub(crate) secret: Secret,
    pub(crate) limits: Limits,
    pub(crate) access: Access,
    /// Modules of the catalog.
    pub(crate) modules: Vec<Chosen>,
    pub(crate) logger: Option<Logger>,
    pub(crate) tap: Option<Tap>,
    pub(super) tap_wish: Option<tap::Wish>,
    pub(crate) disco: Disco,
    pub(crate) bridge: Option<Bridge>,
    pub(crate) presence: Option<Presence>,
    pub(crate) vcard: Option<VCardModule>,
}

impl Component {
    /// Reads one table.
    ///
    /// Every part is read even if another one is invalid, so that all faults are found at once.
    pub(super) fn read(
        mut table: Table<'_>,
        defaults: &Server,
        faults: &mut Faults<'_>,
    ) -> Option<Self> {
        let jid = jid(&mut table, faults);
        let secret = secret::read(&mut table, faults);
        let server = Server::read(&mut table, faults).resolve(defaults, &table, faults);
        let access = access::read(&mut table, faults);
        let disco = table
            .table("disco", "[component.disco]", faults)
            .map(|table| disco::read(table, faults));
        let logger = table
            .table("logger", "[component.logger]", faults)
            .map(|table| logger::read(table, faults));
        let usual = limits::usual(logger.is_some());
        let limits = match table.table("limits", "[component.limits]", faults) {
            Some(table) => limits::read(table, usual, faults),
            None => usual,
        };
        let tap = table
            .table("tap", "[component.tap]", faults)
            .map(|table| tap::read(table, faults));
        let domain = jid.as_ref().map(|(jid, _)| jid.clone());
        let bridge = table.table("json_bridge", "[component.json_bridge]", faults);
        let bridge = bridge.map(|table| bridge::read(table, domain.as_ref(), faults));
        let presence = table.table("presence", "[component.presence]", faults);
        let presence = presence.map(|table| presence::read(table, faults));
        let vcard = table
            .table("vcard", "[component.vcard]", faults)
            .map(|table| vcard::read(table, faults));
        let modules = modules::read(&mut table, faults);
        table.finish(faults);
        let (jid, span) = jid?;
        let (address, tls) = server?;
        let bridge = bridge.flatten();
        let of_bots = |bridge: &Bridge, faults: &Faults<'_>| {
            Presence::of_bots(&jid, bridge.settings.outbox.is_some(), faults)
        };
        let presence = match presence {
            Some(presence) => presence,
            None => bridge.as_ref().map(|bridge| of_bots(bridge, faults)),
        };
        Some(Self {
            jid,
            span,
            address,
            tls,
            secret: secret?,
            limits,
            access,
            modules,
            logger: logger.flatten(),
            tap: None,
            tap_wish: tap.flatten(),
            disco: disco.unwrap_or_default(),
            bridge,
            presence,
            vcard,
        })
    }

    /// Returns `true` if this module of the catalog is mounted.
    pub(crate) fn has(&self, module: &str) -> bool {
        self.modules.iter().any(|chosen| chosen.name == module)
    }

    /// Lists the modules on this JID for the log and `campanile check`.
    pub(crate) fn mounted(&self) -> String {
        let modules: String = self
            .modules
            .iter()
            .map(|module| format!("{}, ", module.name))
            .collect();
        let logger = self
            .logger
            .as_ref()
            .map(|logger| format!("logger on {}, ", Escaped(&logger.store)));
        let bridge = if self.bridge.is_some() {
            "json-bridge, "
        } else {
            ""
        };
        let presence = if self.presence.is_some() {
            "presence, "
        } else {
            ""
        };
        let vcard = if self.vcard.is_some() { "vcard, " } else { "" };
        let tap = self
            .tap
            .as_ref()
            .map(|tap| format!("tap into {}, ", Escaped(&tap.archive)))
            .unwrap_or_default();
        let more = format!("{bridge}{tap}{presence}{vcard}");
        format!(
            "{modules}{}{more}disco, ping, version, time, last",
            logger.unwrap_or_default()
        )
    }
}

fn jid(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Option<(BareJid, Range<usize>)> {
    let Some(value) = table.take("jid") else {
        let remedy = "write jid = \"echo.example.org\", the domain configured on the server";
        faults.push(&table.span, format!("{} has no jid", table.name), remedy);
        return None;
    };
    Some((domain(&value, faults)?, value.span))
}

fn domain(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<BareJid> {
    let text = value.text(faults)?;
    let what = match Jid::new(text).map(Jid::try_into_full) {
        Ok(Err(bare)) if bare.node().is_none() => return Some(bare),
        Ok(_) => format!("{text:?} is an address within a domain"),
        Err(error) => format!("{text:?} is not a domain: {error}"),
    };
    faults.push(
        &value.span,
        what,
        "write a whole domain without a scheme or port, such as \"echo.example.org\"",
    );
    None
}
