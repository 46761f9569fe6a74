//! A module as a third party would publish it: a guestbook that is signed with a chat command.
//!
//! Programs add it with one line, `.module(Guestbook::new(settings)?)`, or offer it in their
//! [catalog](campanile::module::Catalog), which creates it from a configuration.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use campanile::client::Client;
use campanile::error::BoxError;
use campanile::extract::{Args, Sender};
use campanile::jid::BareJid;
use campanile::module::Module;
use campanile::router::{RecipientPattern, Router};
use campanile::settings;
use campanile::xmpp_parsers::disco::Identity;
use serde::Deserialize;

/// Settings of a guestbook, as read from a configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Localpart of the bot.
    pub localpart: String,
    /// Maximum number of entries, 1 to 100,000. The oldest entry is dropped first. Defaults to 100.
    #[serde(
        default = "hundred",
        deserialize_with = "settings::count::<_, _, 1, 100_000>"
    )]
    pub entries: usize,
}

fn hundred() -> usize {
    100
}

/// A guestbook module.
#[derive(Debug)]
pub struct Guestbook {
    recipient: RecipientPattern,
    most: usize,
    entries: Mutex<VecDeque<(BareJid, String)>>,
}

impl Guestbook {
    /// Creates an empty guestbook.
    ///
    /// # Errors
    /// Returns an error if the localpart is invalid, or if `entries` is 0.
    pub fn new(settings: Settings) -> Result<Self, BoxError> {
        let Settings {
            localpart,
            entries: most,
        } = settings;
        if most == 0 {
            return Err("`entries` must be at least 1".into());
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
            "No entries yet.".to_owned()
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

    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
        let recipient = self.recipient.clone();
        let book = Arc::clone(&self);
        let sign = move |Sender(who): Sender, Args(text): Args<String>| {
            let count = book.sign(who.into_bare(), text);
            async move { format!("Thank you. Entries: {count}.") }
        };
        let read = move || std::future::ready(self.read());
        let routes = Router::new()
            .identity(Identity::new("client", "bot", "en", "Guestbook"))
            .chat_command(("!sign {text}", "Signs the guestbook"), sign)
            .chat_command(("!read", "Shows the entries"), read);
        // The recipient comes from the settings, so a conflict is an error rather than a panic.
        Ok(router.try_at(recipient, routes)?)
    }

    async fn online(&self, client: Client) {
        let domain = client.domain();
        tracing::info!(%domain, localpart = %self.recipient, "guestbook opened");
    }
}
