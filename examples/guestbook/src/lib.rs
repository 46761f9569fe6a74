//! A module as a third party would publish it: a guestbook, signed by a command in a chat.
//!
//! Its users need one line, `.module(Guestbook::new(settings)?)`, or one in their
//! [catalog](campanile::module::Catalog), which makes it from a configuration.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use campanile::client::Client;
use campanile::error::BoxError;
use campanile::extract::{Args, Sender};
use campanile::jid::BareJid;
use campanile::module::Module;
use campanile::router::{RecipientPattern, Router};
use campanile::xmpp_parsers::disco::Identity;
use serde::Deserialize;

/// Settings, as a configuration has them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The localpart at which it can be signed.
    pub localpart: String,
    /// How many entries are kept; the oldest makes room.
    #[serde(default = "hundred")]
    pub entries: usize,
}

fn hundred() -> usize {
    100
}

/// A guestbook.
#[derive(Debug)]
pub struct Guestbook {
    recipient: RecipientPattern,
    most: usize,
    entries: Mutex<VecDeque<(BareJid, String)>>,
}

impl Guestbook {
    /// An empty guestbook.
    ///
    /// # Errors
    /// When the settings name no localpart, or no room for entries.
    pub fn new(settings: Settings) -> Result<Self, BoxError> {
        let Settings {
            localpart,
            entries: most,
        } = settings;
        if most == 0 {
            return Err("a guestbook without room for entries is none".into());
        }
        Ok(Self {
            recipient: RecipientPattern::localpart(&localpart)?,
            most,
            entries: Mutex::default(),
        })
    }

    fn sign(&self, who: BareJid, text: String) -> usize {
        let mut entries = self.entries();
        if entries.len() == self.most {
            entries.pop_front();
        }
        entries.push_back((who, text));
        entries.len()
    }

    fn read(&self) -> String {
        let entries = self.entries();
        let lines: Vec<_> = entries
            .iter()
            .map(|(who, text)| format!("{who}: {text}"))
            .collect();
        if lines.is_empty() {
            "Nobody has signed yet.".to_owned()
        } else {
            lines.join("\n")
        }
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<(BareJid, String)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Module for Guestbook {
    fn name(&self) -> &'static str {
        "guestbook"
    }

    fn mount(self: Arc<Self>, router: Router) -> Router {
        let recipient = self.recipient.clone();
        let book = Arc::clone(&self);
        let sign = move |Sender(who): Sender, Args(text): Args<String>| {
            let count = book.sign(who.into_bare(), text);
            async move { format!("Thank you. The book has {count} entries.") }
        };
        let read = move || std::future::ready(self.read());
        let routes = Router::new()
            .identity(Identity::new("client", "bot", "en", "Guestbook"))
            .chat_command(("!sign {text}", "Signs the guestbook"), sign)
            .chat_command(("!read", "Reads it"), read);
        router.at(recipient, routes)
    }

    async fn online(&self, client: Client) {
        tracing::info!(at = %client.domain(), localpart = %self.recipient, "the guestbook can be \
            signed");
    }
}
