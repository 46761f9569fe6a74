//! An archive that people and auditors can use: whatever is sent to the component is kept, found
//! again, and when asked, forgotten.
//!
//! | what | how |
//! |---|---|
//! | keep | messages of every type, with any payload; presence and IQ sets when asked to |
//! | say so | a receipt (XEP-0184) or the result of an IQ set, once it is on the disk and not before |
//! | find | MAM (XEP-0313) with full text (XEP-0431), paged by RSM (XEP-0059); commands; `campanile log` |
//! | forget | by age, by size, and whatever somebody asks to be forgotten: no byte of it stays in any file |
//!
//! Each localpart is an archive of its own.

mod archive;
mod commands;
mod draft;
pub mod export;
mod keep;
mod keys;
mod maintain;
mod mam;
mod rights;
mod settings;
pub mod store;
mod tap;
pub mod time;
mod words;
mod xml;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use campanile::client::Client;
use campanile::error::BoxError;
use campanile::module::Module;
use campanile::router::{Filter, Router};
use campanile::stanza::{Kind, MessageType};
use campanile::stats::Figure;
use campanile::xmpp_parsers::disco::Identity;
use tokio::task::JoinHandle;

use self::archive::Archive;
pub use self::draft::{Class, Draft};
pub use self::settings::Settings;
use self::store::{Store, StoreError};
pub use self::tap::{Tap, Tapped};

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
            .on(messages(), keep::message)
            .iq_set((mam::MAM, "query"), mam::query)
            .iq_get((mam::MAM, "query"), mam::form)
            .iq_get((mam::MAM, "metadata"), mam::metadata)
            .merge(commands::routes(&self.archive));
        for feature in
            mam::FEATURES
                .into_iter()
                .chain(["urn:xmpp:receipts", draft::SID, draft::HINTS])
        {
            routes = routes.feature(feature);
        }
        for format in &settings.formats {
            routes = routes
                .iq_set(format.as_str(), keep::set)
                .iq_get(format.as_str(), keep::get);
        }
        if settings.presence {
            routes = routes.presence(keep::presence);
        }
        if settings.iq {
            routes = routes.fallback(keep::other);
        }
        // Every localpart is an archive, and answers for itself.
        router
            .merge(routes.with_state(self.archive.clone()))
            .at("*", Router::new())
    }

    fn figures(&self) -> Vec<Figure> {
        self.archive.store.figures()
    }

    async fn start(&self, _client: Client) -> Result<(), BoxError> {
        match self.archive.read_silent().await {
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
        self.set_maintenance(Some(tokio::spawn(maintain::maintain(self.archive.clone()))));
        Ok(())
    }

    async fn stop(&self) {
        self.set_maintenance(None);
        self.archive.store.settle().await;
    }
}
