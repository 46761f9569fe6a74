//! `[component.vcard]`: vCards of a component and its bots.

use std::collections::BTreeMap;
use std::fmt;

use campanile::jid::NodePart;
use campanile::router::RecipientPattern;
use campanile::settings::{self, FilePath, invalid, text};
use campanile::vcard::{PhotoFile, VCard, VCardModule};
use serde::{Deserialize, Deserializer};

/// vCards of the component and its bots.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct VCardsTable {
    /// The full name.
    name: Option<String>,
    /// The nickname.
    nickname: Option<String>,
    /// The URL of a web page.
    url: Option<String>,
    /// The description.
    description: Option<String>,
    /// A PNG, JPEG, GIF or WebP file of about 10 KiB.
    #[schemars(with = "Option<FilePath>")]
    photo: Option<PhotoFile>,
    /// vCards of bots by localpart.
    #[serde(deserialize_with = "settings::unique")]
    bots: BTreeMap<Localpart, VCard>,
}

/// A localpart in prepared form.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, schemars::JsonSchema)]
struct Localpart(String);

impl fmt::Display for Localpart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Localpart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(
            deserializer,
            "a localpart",
            |text| match RecipientPattern::localpart(text) {
                Ok(_) => {
                    let prepared = NodePart::new(text).map(|part| part.as_str().to_owned());
                    Ok(Self(prepared.unwrap_or_else(|_| text.to_owned())))
                }
                Err(error) => Err(invalid(
                    error,
                    "name a bot by its localpart, as in [component.vcard.bots.weather]",
                )),
            },
        )
    }
}

impl From<VCardsTable> for VCardModule {
    fn from(table: VCardsTable) -> Self {
        let mut own = VCard::new();
        if let Some(name) = table.name {
            own = own.name(name);
        }
        if let Some(nickname) = table.nickname {
            own = own.nickname(nickname);
        }
        if let Some(url) = table.url {
            own = own.url(url);
        }
        if let Some(description) = table.description {
            own = own.description(description);
        }
        if let Some(photo) = table.photo {
            own = own.photo_file(photo);
        }
        // A table with only `bots` gives the domain no vCard.
        let cards = if table.bots.is_empty() || own != VCard::new() {
            Self::new().domain(own)
        } else {
            Self::new()
        };
        table.bots.into_iter().fold(cards, |cards, (bot, card)| {
            let with = cards.clone().bot(&bot.0, card);
            // Only a valid localpart is read.
            with.unwrap_or(cards)
        })
    }
}
