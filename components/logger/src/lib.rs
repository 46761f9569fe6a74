//! An archive that people and auditors can use: whatever is sent to the component is kept, found
//! again, and when asked, forgotten.
//!
//! | what | how |
//! |---|---|
//! | keep | messages of every type, with any payload; presence and IQ sets when asked to |
//! | say so | a receipt (XEP-0184) or the result of an IQ set, once it is on the disk and not before |
//! | find | MAM (XEP-0313) with full text (XEP-0431), paged by RSM (XEP-0059); commands; `campanile archive` |
//! | forget | by age, by size, and whatever somebody asks to be forgotten: no byte of it stays in any file |
//!
//! Each localpart is an archive of its own.

mod archive;
mod audit_layer;
mod commands;
pub mod export;
mod ingest;
mod keys;
mod mam;
mod new_entry;
mod permissions;
mod retention;
mod settings;
pub mod store;
pub mod time;
mod tokenizer;
mod xml;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use campanile::client::Client;
use campanile::error::BoxError;
use campanile::metrics::Metric;
use campanile::module::Module;
use campanile::router::{Filter, Router};
use campanile::stanza::{Kind, MessageType};
use campanile::xmpp_parsers::disco::Identity;
use tokio::task::JoinHandle;

use self::archive::Archive;
pub use self::audit_layer::{Audit, AuditLayer};
pub use self::new_entry::{Class, NewEntry};
pub use self::settings::Settings;
use self::store::{Store, StoreError};

/// Archives what is sent to any address in the domain.
#[derive(Debug)]
pub struct Logger {
    archive: Archive,
    maintenance: Mutex<Option<JoinHandle<()>>>,
}

impl Logger {
    /// A logger with this store. Several may share one.
    #[must_use]
    pub fn new(store: Store, settings: Settings) -> Self {
        Self {
            archive: Archive::new(store, settings),
            maintenance: Mutex::default(),
        }
    }

    fn set_maintenance(&self, task: Option<JoinHandle<()>>) {
        let mut maintenance = self
            .maintenance
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *maintenance, task) {
            old.abort();
        }
    }
}

/// Every type but errors: those come back from somewhere, and nobody wrote them.
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

    fn mount(self: Arc<Self>, router: Router) -> Router {
        let settings = &self.archive.settings;
        let mut routes = Router::new()
            .identity(Identity::new_anonymous::<_, _, String, String>(
                "component",
                "archive",
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
                .iq_set(format.as_str(), ingest::set)
                .iq_get(format.as_str(), ingest::get);
        }
        if settings.presence {
            routes = routes.presence(ingest::presence);
        }
        if settings.iq {
            routes = routes.fallback(ingest::other);
        }
        // Every localpart is an archive, and answers for itself.
        router
            .merge(routes.with_state(self.archive.clone()))
            .at("*", Router::new())
    }

    fn metrics(&self) -> Vec<Metric> {
        self.archive.store.metrics()
    }

    async fn start(&self, _client: Client) -> Result<(), BoxError> {
        match self.archive.refresh_opt_outs().await {
            Ok(()) => {}
            // It may come back; until then senders are told.
            Err(error @ (StoreError::Busy | StoreError::NoSpace)) => {
                tracing::warn!(store = %self.archive.store.name(), %error, "nothing can be kept \
                    now");
            }
            Err(error) if self.archive.store.is_remote() => {
                tracing::warn!(store = %self.archive.store.name(), %error, "nothing can be kept \
                    now");
            }
            Err(error) => return Err(format!("{}: {error}", self.archive.store.name()).into()),
        }
        self.set_maintenance(Some(tokio::spawn(retention::run(self.archive.clone()))));
        Ok(())
    }

    async fn stop(&self) {
        self.set_maintenance(None);
        self.archive.store.flush().await;
    }
}
