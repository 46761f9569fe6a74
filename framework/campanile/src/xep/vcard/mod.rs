//! vCards (XEP-0054) and avatars (XEP-0153) of the component and its bots.
//!
//! ```
//! use campanile::component::Component;
//! use campanile::presence::{MemoryStore, Roster};
//! use campanile::vcard::{VCard, VCardModule};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let photo = b"\x89PNG\r\n\x1a\n".to_vec(); // std::fs::read("weather.png")?
//! let cards = VCardModule::new()
//!     .domain(VCard::new().name("Example bots"))
//!     .bot("weather", VCard::new().name("Weather").description("Ask me by !weather").photo(photo)?)?;
//! let roster = Roster::builder(MemoryStore::new()).extension(cards.clone()).build();
//! let component = Component::builder("bot.example.org").server("127.0.0.1:5347").secret("secret");
//! let component = component.module(cards).module(roster).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! Clients ask for a card when they meet a contact, and again when the hash in its presence is
//! another one; so a photo needs a [`Roster`](crate::presence::Roster) that [`VCardModule`] adorns.

mod card;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jid::BareJid;
use xmpp_parsers::vcard_update::{Photo, VCardUpdate};

pub use self::card::{PhotoError, VCard};
use crate::module::Module;
use crate::router::{PatternError, RecipientPattern, Router};
use crate::stanza::{Children, Stanza, WriteError};
use crate::xep::presence::PresenceExtension;

/// Namespace of vCards.
pub const NS: &str = "vcard-temp";

/// The cards of a component and its bots: a [module](Module) that answers with them, and the hashes
/// of their photos in presence. Cloning is cheap.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VCardModule {
    /// By localpart; that of the domain has none.
    cards: Arc<BTreeMap<Option<String>, VCard>>,
}

impl VCardModule {
    /// No card yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The card of the component itself.
    #[must_use]
    pub fn domain(self, card: VCard) -> Self {
        self.with(None, card)
    }

    /// The card of a bot. Whoever has one is there.
    ///
    /// # Errors
    /// When that is no localpart.
    pub fn bot(self, localpart: &str, card: VCard) -> Result<Self, PatternError> {
        // In the form in which addresses come.
        RecipientPattern::localpart(localpart)?;
        let prepared = jid::NodePart::new(localpart).map(|part| part.as_str().to_owned());
        Ok(self.with(
            Some(prepared.unwrap_or_else(|_| localpart.to_owned())),
            card,
        ))
    }

    fn with(mut self, localpart: Option<String>, card: VCard) -> Self {
        Arc::make_mut(&mut self.cards).insert(localpart, card);
        self
    }
}

#[async_trait]
impl Module for VCardModule {
    fn name(&self) -> &'static str {
        "vcard"
    }

    fn mount(self: Arc<Self>, router: Router) -> Router {
        self.cards.iter().fold(router, |router, (localpart, card)| {
            let Some(recipient) = pattern(localpart.as_deref()) else {
                return router;
            };
            // Written once: a photo is large, and is asked for often.
            let answer = Children::of(card);
            if let Err(error) = &answer {
                tracing::error!(localpart, %error, "a vCard cannot be written, and is not there");
            }
            let Ok(answer) = answer else { return router };
            router.at(
                recipient,
                Router::new().iq_get((NS, "vCard"), move || std::future::ready(answer.clone())),
            )
        })
    }
}

fn pattern(localpart: Option<&str>) -> Option<RecipientPattern> {
    match localpart {
        Some(localpart) => RecipientPattern::localpart(localpart).ok(),
        None => Some(RecipientPattern::domain()),
    }
}

impl PresenceExtension for VCardModule {
    fn extend(&self, own: &BareJid, presence: Stanza) -> Result<Stanza, WriteError> {
        let localpart = own.node().map(|node| node.as_str().to_owned());
        let Some(card) = self.cards.get(&localpart) else {
            return Ok(presence);
        };
        // XEP-0153 §3: an empty element says that there is no photo.
        presence.with_child(&VCardUpdate {
            photo: Some(Photo {
                data: card.photo_hash(),
            }),
        })
    }
}
