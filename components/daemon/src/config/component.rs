//! `[[component]]`: one connection and the modules mounted on it.

use std::ops::Range;

use campanile::connection::{Secret, ServerAddress, Tls};
use campanile::jid::BareJid;
use campanile::limits::Limits;
use campanile::vcard::VCardModule;
use campanile_storage::StoreAddress;

use super::access::Access;
use super::domain::Domain;
use super::draft::At;
use super::fault::Faults;
use super::file::ComponentTable;
use super::modules::Chosen;
use super::places::Places;
use super::presence::Presence;
use super::server::{self, ServerTable};
use super::state_file::state_file;
use super::tap::{self, Tap};
use crate::escape::Escaped;

/// Default of `in_flight` with an archive, whose replies wait for a commit, thousands at a time.
const IN_FLIGHT_OF_AN_ARCHIVE: usize = 8192;

/// Validated settings of one component.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    pub(crate) jid: BareJid,
    /// Position of the JID in the file.
    pub(super) span: Range<usize>,
    pub(crate) places: Places,
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
    pub(crate) disco: campanile_disco::Settings,
    pub(crate) bridge: Option<campanile_json_bridge::Settings>,
    pub(crate) presence: Option<Presence>,
    pub(crate) vcard: Option<VCardModule>,
}

/// Validated settings of an archive.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Logger {
    pub(crate) store: StoreAddress,
    pub(crate) settings: campanile_logger::Settings,
}

impl Component {
    /// Checks one table as a whole, and resolves its paths.
    pub(super) fn resolve(
        table: ComponentTable,
        defaults: &ServerTable,
        modules: Vec<Chosen>,
        at: At<'_>,
        faults: &mut Faults<'_>,
    ) -> Option<Self> {
        let jid = jid(table.jid, at, faults);
        let secret = secret(table.secret, at, faults);
        let server = server::resolve(table.address, table.tls, defaults, at, faults);
        let has_logger = table.logger.is_some();
        let logger = table.logger.and_then(|logger| archive(logger, at, faults));
        let mut limits = table.limits;
        if has_logger && !at.has(&["limits", "in_flight"]) {
            limits.in_flight = IN_FLIGHT_OF_AN_ARCHIVE;
        }
        let tap_wish = table.tap.map(|tap| tap.resolve(at, faults));
        let vcard = table.vcard.map(VCardModule::from);
        let jid = jid?;
        let bridge = table.json_bridge;
        let bridge = bridge.map(|bridge| outbox(bridge, &jid, at, faults));
        let presence = match (table.presence, &bridge, &logger) {
            (Some(presence), ..) => Some(presence.resolve(at, faults)),
            // A table with a fault.
            (None, ..) if at.has(&["presence"]) => None,
            (None, Some(bridge), _) => {
                Some(Presence::of_bots(&jid, bridge.outbox.is_some(), faults))
            }
            // An archive of presence takes the presence itself.
            (None, None, Some(logger)) if !logger.settings.presence => {
                Some(Presence::of_archive(&jid, &logger.store))
            }
            (None, None, _) => None,
        };
        let (address, tls) = server?;
        Some(Self {
            jid,
            span: at.span(&["jid"]),
            places: Places::of(at, faults),
            address,
            tls,
            secret: secret?,
            limits,
            access: Access {
                allow: table.allow,
                deny: table.deny,
                per_sender: table.rate.per_sender,
                per_domain: table.rate.per_domain,
            },
            modules,
            logger,
            tap: None,
            tap_wish,
            disco: table.disco,
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
        let mut mounted: Vec<String> = self
            .modules
            .iter()
            .map(|module| module.name.to_owned())
            .collect();
        if let Some(logger) = &self.logger {
            mounted.push(format!("logger on {}", Escaped(&logger.store)));
        }
        if self.bridge.is_some() {
            mounted.push("json-bridge".to_owned());
        }
        if let Some(tap) = &self.tap {
            mounted.push(format!("tap into {}", Escaped(&tap.archive)));
        }
        if self.presence.is_some() {
            mounted.push("presence".to_owned());
        }
        if self.vcard.is_some() {
            mounted.push("vcard".to_owned());
        }
        mounted.push("disco, ping, version, time, last".to_owned());
        mounted.join(", ")
    }
}

fn jid(given: Option<Domain>, at: At<'_>, faults: &mut Faults<'_>) -> Option<BareJid> {
    if given.is_none() && !at.is_wrong(&["jid"]) {
        faults.push(
            &at.span(&[]),
            "[[component]] has no jid",
            "write jid = \"echo.example.org\", the domain configured on the server",
        );
    }
    given.map(|domain| domain.0)
}

fn secret(
    given: Option<campanile_json_bridge::Secret>,
    at: At<'_>,
    faults: &mut Faults<'_>,
) -> Option<Secret> {
    if given.is_none() && !at.is_wrong(&["secret"]) {
        faults.push(
            &at.span(&[]),
            "[[component]] has no secret",
            "write one of secret, secret_file, secret_env, secret_credential",
        );
    }
    given.map(|secret| Secret::new(secret.reveal()))
}

/// Checks that an archive has a store, and resolves its path.
fn archive(
    mut settings: campanile_logger::Settings,
    at: At<'_>,
    faults: &mut Faults<'_>,
) -> Option<Logger> {
    let Some(store) = settings.store.take() else {
        if !at.is_wrong(&["logger", "store"]) {
            faults.push(
                &at.span(&["logger"]),
                "[component.logger] has no store",
                "write store = \"sqlite:logger.db\" to keep the archive in that file",
            );
        }
        return None;
    };
    if store.is_exposed() {
        faults.warn_exposed(&at.span(&["logger", "store"]), "archive data");
    }
    Some(Logger {
        store: store.within(&faults.path("")),
        settings,
    })
}

/// Sets the default file of the outbox, and warns of an API that listens to the network.
fn outbox(
    mut bridge: campanile_json_bridge::Settings,
    jid: &BareJid,
    at: At<'_>,
    faults: &mut Faults<'_>,
) -> campanile_json_bridge::Settings {
    // `outbox = false` is an explicit choice: pending messages are lost on exit.
    if !at.has(&["json_bridge", "outbox"]) {
        bridge.outbox = Some(state_file(&format!("{jid}.outbox.db"), faults));
    }
    if bridge
        .api
        .as_ref()
        .is_some_and(|api| !api.listen.ip().is_loopback())
    {
        faults.warn(
            &at.span(&["json_bridge", "api", "listen"]),
            "tokens and messages cross the network unencrypted",
            "listen on loopback behind a TLS proxy",
        );
    }
    bridge
}
