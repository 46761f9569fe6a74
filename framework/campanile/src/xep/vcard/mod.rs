//! vCards (XEP-0054) and avatars (XEP-0153) of the component and its bots.
//!
//! A vCard gives a bot a name, a description and a photo in the contact lists of its users.
//!
//! ```
//! use campanile::component::Component;
//! use campanile::presence::{MemoryStore, Roster};
//! use campanile::vcard::{VCard, VCardModule};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let photo = b"\x89PNG\r\n\x1a\n".to_vec(); // std::fs::read("weather.png")?
//! let weather = VCard::new().name("Weather").description("Write !weather CITY").photo(photo)?;
//! let cards = VCardModule::new()
//!     .domain(VCard::new().name("Example bots"))
//!     .bot("weather", weather)?;
//! let roster = Roster::builder(MemoryStore::new()).extension(cards.clone()).build();
//! let component = Component::builder("bot.example.org").server("127.0.0.1:5347").secret("secret");
//! let component = component.module(cards).module(roster).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! Clients request a vCard when they first see a contact, and again when the photo hash in its
//! presence changes. A photo therefore needs a [`Roster`](crate::presence::Roster) with the
//! [`VCardModule`] as [extension](crate::presence::RosterBuilder::extension).
//!
//! To request the vCard of another user, see [`Client::vcard`](crate::client::Client::vcard).

mod card;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jid::BareJid;
use xmpp_parsers::vcard_update::{Photo, VCardUpdate};

pub use self::card::{PhotoError, VCard};
pub use self::settings::PhotoFile;
use crate::error::BoxError;
use crate::module::Module;
use crate::router::{PatternError, RecipientPattern, Router};
use crate::stanza::{Children, Stanza, WriteError};
use crate::xep::presence::PresenceExtension;

/// Namespace of vCards.
pub(crate) const NS: &str = "vcard-temp";

/// A [module](Module) that serves the vCards of a component and its bots.
///
/// As a [`PresenceExtension`], it adds the hashes of their photos to presence. Cloning is cheap.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VCardModule {
    /// By localpart; the domain has the key `None`.
    cards: Arc<BTreeMap<Option<String>, VCard>>,
}

impl VCardModule {
    /// Creates a module without vCards.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the vCard of the component itself.
    #[must_use]
    pub fn domain(self, card: VCard) -> Self {
        self.with(None, card)
    }

    /// Sets the vCard of a bot. An address with a vCard exists for service discovery and ping, too.
    ///
    /// # Errors
    /// If the localpart is invalid.
    pub fn bot(self, localpart: &str, card: VCard) -> Result<Self, PatternError> {
        // Normalized, as the addresses of stanzas are.
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

    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
        let mut router = router;
        for (localpart, card) in self.cards.iter() {
            let recipient = match localpart {
                Some(localpart) => RecipientPattern::localpart(localpart)?,
                None => RecipientPattern::domain(),
            };
            // Serialized once: photos are large and requested often.
            let answer = Children::of(card)?;
            router = router.try_at(
                recipient,
                Router::new().iq_get((NS, "vCard"), move || std::future::ready(answer.clone())),
            )?;
        }
        Ok(router)
    }
}

impl PresenceExtension for VCardModule {
    fn extend(&self, own: &BareJid, presence: Stanza) -> Result<Stanza, WriteError> {
        let localpart = own.node().map(|node| node.as_str().to_owned());
        let Some(card) = self.cards.get(&localpart) else {
            return Ok(presence);
        };
        // XEP-0153 §3: an empty element means that there is no photo.
        presence.with_child(&VCardUpdate {
            photo: Some(Photo {
                data: card.photo_hash(),
            }),
        })
    }
}
