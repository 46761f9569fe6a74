//! From the configuration to components that are ready to run.

use std::sync::Arc;

use campanile::component::{Builder, Component};
use campanile::error::BoxError;
use campanile::jid::BareJid;
use campanile::layer::{AccessLayer, MetricsLayer, RateLayer, RateLimit, TraceLayer};
use campanile::module::Module;
use campanile::presence::{Availability, Decision, MemoryStore, Roster};
use campanile::router::Router;
use campanile::vcard::VCards;
use campanile::xmpp_parsers::disco::Identity;
use campanile_basics::Basics;
use campanile_disco::Disco;
use campanile_json_bridge::Bridge;
use campanile_logger::Logger;
use campanile_logger::store::Quota;
use campanile_presence_sqlite::SqliteStore;

use crate::{config, report, store};

/// A component that is ready to run.
pub(crate) fn component(settings: &config::Component) -> Result<Component, BoxError> {
    Ok(builder(settings)?.build()?)
}

/// A component with everything that its settings say.
pub(crate) fn builder(settings: &config::Component) -> Result<Builder, BoxError> {
    let mut builder = Component::builder(settings.jid.as_str())
        .server(settings.address.to_string())
        .secret(settings.secret.clone())
        .limits(settings.limits.clone())
        .router(Router::new())
        .keep_trying();
    if let Some(tls) = &settings.tls {
        builder = builder.tls(tls.clone());
    }
    for module in modules(settings)? {
        builder = builder.shared_module(module);
    }
    Ok(layers(builder, &access(settings)))
}

/// Who may write: to a bridge, where nobody is named, the users of the domain that its own lies in.
fn access(settings: &config::Component) -> config::Access {
    let mut access = settings.access.clone();
    if let (Some(bridge), true) = (&settings.bridge, access.allow.is_empty()) {
        access.allow.extend(bridge.parent.clone());
    }
    access
}

/// What stands around the modules, from the inside out. Innermost, the builder itself puts the time that a handler has.
fn layers(builder: Builder, access: &config::Access) -> Builder {
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
            let layer = allow.iter().fold(AccessLayer::new(), |layer, jid| layer.allow(jid.clone().into()));
            builder.layer(deny.iter().fold(layer, |layer, jid| layer.deny(jid.clone().into())))
        }
    };
    // What was refused is counted and traced as well.
    builder.layer(MetricsLayer::new()).layer(TraceLayer)
}

/// Why a component cannot be built, for people.
pub(crate) fn explain(jid: &BareJid, error: &BoxError) -> String {
    format!("{jid}: {}", report::chain(&**error))
}

/// What is mounted on this JID: what every one has, and what its tables ask for.
fn modules(settings: &config::Component) -> Result<Vec<Arc<dyn Module>>, BoxError> {
    let mut modules: Vec<Arc<dyn Module>> = vec![
        Arc::new(Basics::new("campanile", env!("CARGO_PKG_VERSION"))),
        Arc::new(Disco::new(disco(&settings.disco))),
    ];
    for chosen in &settings.modules {
        modules.push(chosen.make()?);
    }
    if let Some(logger) = &settings.logger {
        modules.push(Arc::new(Logger::new(store::store(&logger.store), archive(settings, logger))));
    }
    if let Some(bridge) = &settings.bridge {
        modules.push(Arc::new(Bridge::new(bridge.settings.clone())));
    }
    let cards = settings.vcard.clone();
    if let Some(presence) = &settings.presence {
        modules.push(Arc::new(roster(presence, cards.as_ref())));
    }
    modules.extend(cards.map(|cards| Arc::new(cards) as Arc<dyn Module>));
    Ok(modules)
}

/// Presence as the settings have it; a photo is announced in it.
fn roster(settings: &config::Presence, cards: Option<&VCards>) -> Roster {
    let builder = match &settings.store {
        config::PresenceStore::Memory => Roster::builder(MemoryStore::new()),
        config::PresenceStore::Sqlite(path) => Roster::builder(SqliteStore::new(path)),
    };
    let here = Availability::online();
    let builder = builder
        .bots(settings.bots.iter().map(String::as_str))
        .policy(if settings.accept { Decision::Accept } else { Decision::Deny })
        .bounds(settings.bounds)
        .availability(settings.status.as_ref().map_or(here.clone(), |status| here.status(status)));
    let builder = if settings.mutual { builder.mutual() } else { builder };
    match cards {
        Some(cards) => builder.adorn(cards.clone()).build(),
        None => builder.build(),
    }
}

/// Who may use an archive is who is let in by name; without names, it is the domain that the component is below.
fn archive(component: &config::Component, logger: &config::Logger) -> campanile_logger::Settings {
    let parent = component.jid.domain().as_str().split_once('.').and_then(|(_, parent)| BareJid::new(parent).ok());
    let parent = parent.filter(|_| component.access.allow.is_empty());
    let allowed = component.access.allow.iter().chain(&parent);
    campanile_logger::Settings {
        users: allowed.fold(AccessLayer::new().closed(), |users, jid| users.allow(jid.clone().into())),
        admins: logger.admins.clone(),
        formats: logger.formats.clone(),
        honour_hints: logger.honour_hints,
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
