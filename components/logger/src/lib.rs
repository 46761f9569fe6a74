//! A message archive for users and auditors: stores what is sent to the component, makes it
//! searchable, and erases it on request.
//!
//! | function | |
//! |---|---|
//! | store | messages of every type with any payload; optionally presence and IQ sets |
//! | acknowledge | a receipt (XEP-0184) or an IQ result, sent only once the entry is on disk |
//! | search | MAM (XEP-0313) with full text (XEP-0431) and RSM; commands; `campanile archive` |
//! | erase | by age, by size, and on a user's request; no byte of an entry stays in any file |
//!
//! Each localpart is a separate archive.

mod amount;
mod archive;
mod audit_layer;
mod commands;
mod confirmation;
mod erasure;
pub mod export;
mod help;
mod ingest;
mod keys;
mod mam;
mod new_entry;
mod permissions;
mod quota;
mod reindex;
mod retention;
mod search;
mod settings;
pub mod store;
pub mod time;
mod tokenizer;
mod xml;

use std::sync::Arc;

use async_trait::async_trait;
use campanile::client::Client;
use campanile::error::BoxError;
use campanile::metrics::Metric;
use campanile::module::Module;
use campanile::router::{Filter, Router};
use campanile::stanza::{Kind, MessageType};
use campanile::supervise::Supervised;
use campanile::xmpp_parsers::disco::Identity;
use parking_lot::Mutex;

use self::archive::Archive;
pub use self::audit_layer::{Audit, AuditLayer};
pub use self::new_entry::{Class, NewEntry};
pub use self::settings::Settings;
use self::store::Store;

/// A module that archives the stanzas sent to any address of its domain.
#[derive(Debug)]
pub struct Logger {
    archive: Archive,
    /// Retention and the search index. Aborted when replaced.
    maintenance: Mutex<Option<Supervised>>,
}

impl Logger {
    /// Creates a logger on a store. Several loggers may share one store.
    #[must_use]
    pub fn new(store: Store, settings: Settings) -> Self {
        Self {
            archive: Archive::new(store, settings),
            maintenance: Mutex::default(),
        }
    }

    fn set_maintenance(&self, task: Option<Supervised>) {
        *self.maintenance.lock() = task;
    }
}

/// All message types except errors, which are bounces rather than content.
fn messages() -> Filter {
    let types = [
        MessageType::Normal,
        MessageType::Chat,
        MessageType::Headline,
        MessageType::Groupchat,
    ];
    Filter::kinds(types.map(Kind::Message))
}

#[async_trait]
impl Module for Logger {
    fn name(&self) -> &'static str {
        "logger"
    }

    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
        let settings = &self.archive.settings;
        let mut routes = Router::new()
            .identity(Identity::new(
                "component",
                "archive",
                "en",
                "Message archive",
            ))
            .on(messages(), ingest::message)
            .iq_set((mam::MAM, "query"), mam::query)
            .iq_get((mam::MAM, "query"), mam::form)
            .iq_get((mam::MAM, "metadata"), mam::metadata)
            .merge(commands::routes(&self.archive));
        for feature in
            mam::FEATURES
                .into_iter()
                .chain(["urn:xmpp:receipts", new_entry::SID, new_entry::HINTS])
        {
            routes = routes.feature(feature);
        }
        for format in &settings.formats {
            routes = routes
                .try_on(Filter::iq_set().payload(format.as_str()), ingest::set)?
                .try_on(Filter::iq_get().payload(format.as_str()), ingest::get)?;
        }
        if settings.presence {
            routes = routes.presence(ingest::presence);
        }
        if settings.iq {
            routes = routes.fallback(ingest::other);
        }
        // Every localpart is an archive, with service discovery of its own.
        Ok(router
            .merge(routes.with_state(self.archive.clone()))
            .at("*", Router::new()))
    }

    fn metrics(&self) -> Vec<Metric> {
        self.archive.store.metrics()
    }

    async fn check(&self) -> Result<Vec<String>, BoxError> {
        let store = &self.archive.store;
        let checked = store.check().await;
        checked.map_err(|error| format!("{}: {error}", store.name()))?;
        Ok(Vec::new())
    }

    async fn start(&self, _client: Client) -> Result<(), BoxError> {
        let opened = self.archive.refresh_opt_outs().await;
        self.archive.store.at_start(opened)?;
        let archive = self.archive.clone();
        let tasks = self.archive.store.tasks();
        self.set_maintenance(Some(tasks.supervise("archive maintenance", move || {
            let archive = archive.clone();
            async move {
                tokio::join!(reindex::run(&archive), retention::run(archive.clone()));
                Ok(())
            }
        })));
        Ok(())
    }

    async fn stop(&self) {
        self.set_maintenance(None);
        self.archive.store.flush().await;
    }
}
