//! Builds components from the configuration.

use std::fmt;
use std::sync::Arc;

use campanile::component::{Component, ComponentBuilder};
use campanile::error::BoxError;
use campanile::jid::BareJid;
use campanile::layer::{AccessLayer, MetricsLayer, RateLayer, RateLimit, TraceLayer};
use campanile::module::Module;
use campanile::presence::{
    Availability, Decision, MemoryStore, Roster, RosterBuilder, SubscriptionRequest,
};
use campanile::router::Router;
use campanile::vcard::VCardModule;
use campanile_basics::Basics;
use campanile_disco::Disco;
use campanile_json_bridge::Bridge;
use campanile_logger::{AuditLayer, Logger};

use crate::{config, diagnostics, store};

/// Returns a component builder with all settings applied.
pub(crate) fn builder(settings: &config::Component) -> Result<ComponentBuilder, BoxError> {
    Ok(assemble(
        settings,
        &ModuleSet::new(settings)?,
        &MetricsLayer::new(),
    ))
}

/// The modules of one component, each with the specification it was built from.
#[derive(Clone)]
pub(crate) struct ModuleSet(Vec<(ModuleSpec, Arc<dyn Module>)>);

impl fmt::Debug for ModuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.modules().map(|module| module.name()))
            .finish()
    }
}

/// The settings a module is built from. Equal specifications build interchangeable modules.
#[derive(Clone, PartialEq)]
enum ModuleSpec {
    Basics,
    Disco(campanile_disco::Settings),
    /// A module of the catalog.
    Chosen(config::Chosen),
    /// A logger, and the JIDs that may use its archive.
    Logger(config::Logger, Vec<BareJid>),
    Tap(config::Tap),
    Bridge(campanile_json_bridge::Settings),
    /// Presence, with the bots of a bridge, the users of an archive, and the vCards whose photos
    /// are announced.
    Presence(
        config::Presence,
        Option<campanile_json_bridge::Settings>,
        Option<Box<campanile_logger::Settings>>,
        Option<VCardModule>,
    ),
    Cards(VCardModule),
}

impl ModuleSpec {
    /// Returns the name of the table below `[component]`, if there has to be one.
    fn table(&self) -> Option<&'static str> {
        match self {
            Self::Basics => None,
            Self::Disco(_) => Some("disco"),
            Self::Chosen(chosen) => Some(chosen.name),
            Self::Logger(..) => Some("logger"),
            Self::Tap(_) => Some("tap"),
            Self::Bridge(_) => Some("json_bridge"),
            Self::Presence(..) => Some("presence"),
            Self::Cards(_) => Some("vcard"),
        }
    }
}

impl ModuleSet {
    pub(crate) fn new(settings: &config::Component) -> Result<Self, BoxError> {
        Self::from(settings, &Self(Vec::new()))
    }

    /// Builds the modules of these settings.
    ///
    /// A module that `old` has from an equal specification is reused and keeps running.
    pub(crate) fn from(settings: &config::Component, old: &Self) -> Result<Self, BoxError> {
        let make = |part: ModuleSpec| -> Result<_, BoxError> {
            let known = old
                .0
                .iter()
                .find(|(other, _)| *other == part)
                .map(|(_, module)| Arc::clone(module));
            let module = known.map_or_else(|| module(&part, settings), Ok)?;
            Ok((part, module))
        };
        Ok(Self(
            parts(settings)
                .into_iter()
                .map(make)
                .collect::<Result<_, _>>()?,
        ))
    }

    /// Returns the table of the configuration that enables a module.
    pub(crate) fn table_of(&self, module: &str) -> Option<&'static str> {
        let found = self.0.iter().find(|(_, it)| it.name() == module);
        found.and_then(|(spec, _)| spec.table())
    }

    /// Returns the modules that are also in `other`.
    pub(crate) fn shared_with(&self, other: &Self) -> Self {
        let shared = |(_, module): &&(ModuleSpec, Arc<dyn Module>)| {
            other.modules().any(|it| Arc::ptr_eq(it, module))
        };
        Self(self.0.iter().filter(shared).cloned().collect())
    }

    pub(crate) fn modules(&self) -> impl Iterator<Item = &Arc<dyn Module>> {
        self.0.iter().map(|(_, module)| module)
    }
}

/// Returns a component builder with these modules and all other settings applied.
pub(crate) fn assemble(
    settings: &config::Component,
    parts: &ModuleSet,
    metrics: &MetricsLayer,
) -> ComponentBuilder {
    let mut builder = Component::builder(settings.jid.as_str())
        .server(settings.address.to_string())
        .secret(settings.secret.clone())
        .limits(settings.limits.clone())
        .router(Router::new())
        .keep_trying();
    if let Some(tls) = &settings.tls {
        builder = builder.tls(tls.clone());
    }
    builder = builder.modules(parts.modules().cloned());
    // Innermost, so that rejected senders cannot fill an archive. Replies to them are recorded as
    // they leave.
    if let Some(tap) = settings.tap.as_ref().map(tap) {
        builder = builder.layer(tap.clone()).outbound(tap);
    }
    layers(builder, &access(settings), metrics)
}

fn tap(settings: &config::Tap) -> AuditLayer {
    AuditLayer::new(store::store(&settings.store), settings.archive.clone())
}

/// Returns the access rules: without `allow`, a bridge admits the users of its parent domain.
fn access(settings: &config::Component) -> config::Access {
    let mut access = settings.access.clone();
    let is_open = |bridge: &campanile_json_bridge::Settings| bridge.everybody;
    if access.allow.is_empty() && settings.bridge.as_ref().is_some_and(|it| !is_open(it)) {
        access.allow.extend(parent(&settings.jid));
    }
    access
}

/// Returns the parent domain of a component.
fn parent(jid: &BareJid) -> Option<BareJid> {
    let (_, parent) = jid.domain().as_str().split_once('.')?;
    BareJid::new(parent).ok()
}

/// Adds the middleware around the modules, from the inside out.
///
/// The builder itself adds the handler timeout as the innermost layer.
fn layers(
    builder: ComponentBuilder,
    access: &config::Access,
    metrics: &MetricsLayer,
) -> ComponentBuilder {
    let limit = |rate: config::Rate| RateLimit::new(rate.burst, rate.per);
    // The limit per domain counts only stanzas that the limit per sender has let through.
    let builder = match access.per_domain {
        Some(rate) => builder.layer(RateLayer::per_domain(limit(rate))),
        None => builder,
    };
    let builder = match access.per_sender {
        Some(rate) => builder.layer(RateLayer::per_sender(limit(rate))),
        None => builder,
    };
    // Outside the rate limits: rejected senders do not use up the rate of others.
    let builder = match (access.allow.as_slice(), access.deny.as_slice()) {
        ([], []) => builder,
        (allow, deny) => {
            let layer = allow.iter().fold(AccessLayer::new(), |layer, jid| {
                layer.allow(jid.clone().into())
            });
            builder.layer(
                deny.iter()
                    .fold(layer, |layer, jid| layer.deny(jid.clone().into())),
            )
        }
    };
    // Outermost, so that rejected stanzas are counted and traced as well.
    // As one layer, so that the two share a boxed future.
    builder.layer((TraceLayer, metrics.clone()))
}

/// Formats the reason a component cannot be built.
pub(crate) fn explain(jid: &BareJid, error: &BoxError) -> String {
    format!("{jid}: {}", diagnostics::chain(&**error))
}

/// Returns the specifications of all modules on this JID: the defaults, and one per table.
fn parts(settings: &config::Component) -> Vec<ModuleSpec> {
    let mut parts = vec![
        ModuleSpec::Basics,
        ModuleSpec::Disco(settings.disco.clone()),
    ];
    parts.extend(settings.modules.iter().cloned().map(ModuleSpec::Chosen));
    parts.extend(
        settings
            .logger
            .clone()
            .map(|logger| ModuleSpec::Logger(logger, settings.access.allow.clone())),
    );
    parts.extend(settings.tap.clone().map(ModuleSpec::Tap));
    parts.extend(settings.bridge.clone().map(ModuleSpec::Bridge));
    let cards = cards(settings);
    parts.extend(settings.presence.clone().map(|presence| {
        let bridge = settings.bridge.clone();
        let logger = settings.logger.as_ref();
        let archive = logger.map(|logger| Box::new(archive(settings, &logger.settings)));
        ModuleSpec::Presence(presence, bridge, archive, cards.clone())
    }));
    parts.extend(cards.map(ModuleSpec::Cards));
    parts
}

fn module(part: &ModuleSpec, settings: &config::Component) -> Result<Arc<dyn Module>, BoxError> {
    Ok(match part {
        ModuleSpec::Basics => Arc::new(Basics::new("campanile", env!("CARGO_PKG_VERSION"))),
        ModuleSpec::Disco(settings) => Arc::new(Disco::new(settings.clone())),
        ModuleSpec::Chosen(chosen) => chosen.make()?,
        ModuleSpec::Logger(logger, _) => {
            let store = store::store(&logger.store);
            Arc::new(Logger::new(store, archive(settings, &logger.settings)))
        }
        ModuleSpec::Tap(settings) => Arc::new(tap(settings)),
        ModuleSpec::Bridge(bridge) => Arc::new(Bridge::new(bridge.clone())),
        ModuleSpec::Presence(presence, _, archive, cards) => Arc::new(roster(
            settings,
            presence,
            archive.as_deref(),
            cards.as_ref(),
        )),
        ModuleSpec::Cards(cards) => Arc::new(cards.clone()),
    })
}

/// Returns the vCards of the component and its bots.
fn cards(settings: &config::Component) -> Option<VCardModule> {
    let Some(bridge) = &settings.bridge else {
        return settings.vcard.clone();
    };
    let own = settings.vcard.clone().unwrap_or_default();
    // Invalid localparts were rejected when the settings were read.
    Some(bridge.cards(own.clone()).unwrap_or(own))
}

/// Builds the presence module; it announces the photo of a vCard.
fn roster(
    component: &config::Component,
    settings: &config::Presence,
    archive: Option<&campanile_logger::Settings>,
    cards: Option<&VCardModule>,
) -> Roster {
    let builder = match &settings.store {
        config::PresenceStore::Memory => Roster::builder(MemoryStore::new()),
        config::PresenceStore::Address(address) => address.roster(),
    };
    let here = Availability::online();
    let builder = builder.limits(settings.bounds).availability(
        settings
            .status
            .as_ref()
            .map_or(here.clone(), |status| here.status(status)),
    );
    let others = settings.bots.iter().map(String::as_str);
    let builder = match (&component.bridge, archive) {
        (Some(bridge), _) => bridge.roster(builder, &component.jid, others),
        (None, Some(archive)) => of_archive(builder.bots(others), archive.clone()),
        (None, None) => builder.bots(others),
    };
    let builder = if settings.accept {
        builder
    } else {
        builder.policy(Decision::Deny)
    };
    let builder = if settings.mutual {
        builder.mutual()
    } else {
        builder
    };
    match cards {
        Some(cards) => builder.extension(cards.clone()).build(),
        None => builder.build(),
    }
}

/// Gives presence to each localpart, as each is an archive, towards the users of the archive.
fn of_archive(roster: RosterBuilder, archive: campanile_logger::Settings) -> RosterBuilder {
    let decide = move |request: &SubscriptionRequest| {
        if archive.admits(&request.key.peer.clone().into()) {
            Decision::Accept
        } else {
            Decision::Deny
        }
    };
    roster.directory(|_: &BareJid| true).policy(decide)
}

/// Returns the settings of the logger.
///
/// The archive may be used by the JIDs in `allow`; without `allow`, by the users of the parent
/// domain.
fn archive(
    component: &config::Component,
    logger: &campanile_logger::Settings,
) -> campanile_logger::Settings {
    let parent = parent(&component.jid).filter(|_| component.access.allow.is_empty());
    let allowed = component.access.allow.iter().chain(&parent);
    campanile_logger::Settings {
        users: allowed.fold(AccessLayer::new().closed(), |users, jid| {
            users.allow(jid.clone().into())
        }),
        ..logger.clone()
    }
}
