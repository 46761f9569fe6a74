//! From the configuration to components that are ready to run.

use std::fmt;
use std::sync::Arc;

use campanile::component::{Component, ComponentBuilder};
use campanile::error::BoxError;
use campanile::jid::BareJid;
use campanile::layer::{AccessLayer, MetricsLayer, RateLayer, RateLimit, TraceLayer};
use campanile::module::Module;
use campanile::presence::{Availability, Decision, MemoryStore, Roster};
use campanile::router::Router;
use campanile::vcard::VCardModule;
use campanile::xmpp_parsers::disco::Identity;
use campanile_basics::Basics;
use campanile_disco::Disco;
use campanile_json_bridge::Bridge;
use campanile_logger::store::Quota;
use campanile_logger::{AuditLayer, Logger};
#[cfg(feature = "postgres")]
use campanile_presence_postgres::PostgresSubscriptions;
use campanile_presence_sqlite::SqliteSubscriptions;

use crate::{config, diagnostics, store};

/// A component that is ready to run.
pub(crate) fn component(settings: &config::Component) -> Result<Component, BoxError> {
    Ok(builder(settings)?.build()?)
}

/// A component with everything that its settings say.
pub(crate) fn builder(settings: &config::Component) -> Result<ComponentBuilder, BoxError> {
    Ok(assemble(
        settings,
        &ModuleSet::new(settings)?,
        &MetricsLayer::new(),
    ))
}

/// The modules of one component, each made from its part of the settings.
#[derive(Clone)]
pub(crate) struct ModuleSet(Vec<(ModuleSpec, Arc<dyn Module>)>);

impl fmt::Debug for ModuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.modules().map(|module| module.name()))
            .finish()
    }
}

/// What a module is made from. Two that are equal make the same module.
#[derive(Clone, PartialEq)]
enum ModuleSpec {
    Basics,
    Disco(config::Disco),
    /// From the catalog.
    Chosen(config::Chosen),
    /// With who may use the archive.
    Logger(config::Logger, Vec<BareJid>),
    Tap(config::Tap),
    Bridge(config::Bridge),
    /// With the bots of a bridge, and the cards whose photos are announced.
    Presence(
        config::Presence,
        Option<config::Bridge>,
        Option<VCardModule>,
    ),
    Cards(VCardModule),
}

impl ModuleSet {
    pub(crate) fn new(settings: &config::Component) -> Result<Self, BoxError> {
        Self::from(settings, &Self(Vec::new()))
    }

    /// The modules of these settings; those that `old` has from the very same part are taken over
    /// and go on.
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

    /// Those modules that are part of another collection as well.
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

/// A component of these modules, with everything else that its settings say.
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
    for module in parts.modules() {
        builder = builder.shared_module(Arc::clone(module));
    }
    // Innermost, so that nobody who is kept out fills an archive; what they are told is recorded as
    // it leaves.
    if let Some(tap) = settings.tap.as_ref().map(tap) {
        builder = builder.layer(tap.clone()).outbound(tap);
    }
    layers(builder, &access(settings), metrics)
}

fn tap(settings: &config::Tap) -> AuditLayer {
    AuditLayer::new(store::store(&settings.store), settings.archive.clone())
}

/// Who may write: to a bridge, where nobody is named, the users of the domain that its own lies in.
fn access(settings: &config::Component) -> config::Access {
    let mut access = settings.access.clone();
    if let (Some(bridge), true) = (&settings.bridge, access.allow.is_empty()) {
        access.allow.extend(bridge.parent.clone());
    }
    access
}

/// What stands around the modules, from the inside out. Innermost, the builder itself puts the time
/// that a handler has.
fn layers(
    builder: ComponentBuilder,
    access: &config::Access,
    metrics: &MetricsLayer,
) -> ComponentBuilder {
    let limit = |rate: config::Rate| RateLimit::new(rate.burst, rate.per);
    // A domain is weighed by what its senders' own limits let through.
    let builder = match access.per_domain {
        Some(rate) => builder.layer(RateLayer::per_domain(limit(rate))),
        None => builder,
    };
    let builder = match access.per_sender {
        Some(rate) => builder.layer(RateLayer::per_sender(limit(rate))),
        None => builder,
    };
    // Who is kept out uses up nobody's rate.
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
    // What was refused is counted and traced as well.
    builder.layer(metrics.clone()).layer(TraceLayer)
}

/// Why a component cannot be built, for people.
pub(crate) fn explain(jid: &BareJid, error: &BoxError) -> String {
    format!("{jid}: {}", diagnostics::chain(&**error))
}

/// What is mounted on this JID: what every one has, and what its tables ask for.
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
        ModuleSpec::Presence(presence, bridge, cards.clone())
    }));
    parts.extend(cards.map(ModuleSpec::Cards));
    parts
}

fn module(part: &ModuleSpec, settings: &config::Component) -> Result<Arc<dyn Module>, BoxError> {
    Ok(match part {
        ModuleSpec::Basics => Arc::new(Basics::new("campanile", env!("CARGO_PKG_VERSION"))),
        ModuleSpec::Disco(settings) => Arc::new(Disco::new(disco(settings))),
        ModuleSpec::Chosen(chosen) => chosen.make()?,
        ModuleSpec::Logger(logger, _) => Arc::new(Logger::new(
            store::store(&logger.store),
            archive(settings, logger),
        )),
        ModuleSpec::Tap(settings) => Arc::new(tap(settings)),
        ModuleSpec::Bridge(bridge) => Arc::new(Bridge::new(bridge.settings.clone())),
        ModuleSpec::Presence(presence, _, cards) => {
            Arc::new(roster(settings, presence, cards.as_ref()))
        }
        ModuleSpec::Cards(cards) => Arc::new(cards.clone()),
    })
}

/// The vCard of the component, and those of its bots.
fn cards(settings: &config::Component) -> Option<VCardModule> {
    let Some(bridge) = &settings.bridge else {
        return settings.vcard.clone();
    };
    let own = settings.vcard.clone().unwrap_or_default();
    // What is no localpart was refused with the settings.
    Some(bridge.settings.cards(own.clone()).unwrap_or(own))
}

/// Presence as the settings have it; a photo is announced in it.
fn roster(
    component: &config::Component,
    settings: &config::Presence,
    cards: Option<&VCardModule>,
) -> Roster {
    let builder = match &settings.store {
        config::PresenceStore::Memory => Roster::builder(MemoryStore::new()),
        config::PresenceStore::Sqlite(path) => Roster::builder(SqliteSubscriptions::new(path)),
        #[cfg(feature = "postgres")]
        config::PresenceStore::Postgres(address) => {
            Roster::builder(PostgresSubscriptions::new(address.database()))
        }
    };
    let here = Availability::online();
    let builder = builder.limits(settings.bounds).availability(
        settings
            .status
            .as_ref()
            .map_or(here.clone(), |status| here.status(status)),
    );
    let others = settings.bots.iter().map(String::as_str);
    let builder = match &component.bridge {
        Some(bridge) => bridge.settings.roster(builder, &component.jid, others),
        None => builder.bots(others),
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

/// Who may use an archive is who is let in by name; without names, it is the domain that the
/// component is below.
fn archive(component: &config::Component, logger: &config::Logger) -> campanile_logger::Settings {
    let parent = component
        .jid
        .domain()
        .as_str()
        .split_once('.')
        .and_then(|(_, parent)| BareJid::new(parent).ok());
    let parent = parent.filter(|_| component.access.allow.is_empty());
    let allowed = component.access.allow.iter().chain(&parent);
    campanile_logger::Settings {
        users: allowed.fold(AccessLayer::new().closed(), |users, jid| {
            users.allow(jid.clone().into())
        }),
        admins: logger.admins.clone(),
        formats: logger.formats.clone(),
        honor_hints: logger.honor_hints,
        presence: logger.presence,
        iq: logger.iq,
        retention: logger.retention,
        max_bytes: logger.max_size.map(|size| size as u64),
        quota: Quota {
            per_sender: logger.quota_per_sender.map(|size| size as u64),
            per_domain: logger.quota_per_domain.map(|size| size as u64),
        },
        ..campanile_logger::Settings::default()
    }
}

fn disco(settings: &config::Disco) -> campanile_disco::Settings {
    let identity = |identity: &config::Identity| Identity {
        category: identity.category.clone(),
        type_: identity.kind.clone(),
        lang: identity.lang.clone(),
        name: identity.name.clone(),
    };
    campanile_disco::Settings {
        name: settings.name.clone(),
        identities: settings.identities.iter().map(identity).collect(),
        contacts: settings.contacts.clone(),
    }
}
