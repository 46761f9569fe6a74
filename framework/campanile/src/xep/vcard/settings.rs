//! vCards in configuration files.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use xmpp_parsers::vcard::Photo;

use super::VCard;
use crate::settings::{FilePath, invalid, read_file};

/// The photo of a vCard, read from the file that a setting names.
#[derive(Debug, Clone, PartialEq)]
pub struct PhotoFile(Photo);

impl VCard {
    /// Sets the photo to that of a setting.
    #[must_use]
    pub fn photo_file(mut self, file: PhotoFile) -> Self {
        self.photo = Some(file.0);
        self
    }
}

impl<'de> Deserialize<'de> for PhotoFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path: PathBuf = FilePath::deserialize(deserializer)?.into();
        let cause = match read_file(&path).map(|file| VCard::new().photo(file)) {
            Ok(Ok(card)) => match card.photo {
                Some(photo) => return Ok(Self(photo)),
                None => format!("{}: empty", path.display()),
            },
            Ok(Err(error)) => format!("{}: {error}", path.display()),
            Err(error) => format!("cannot read {}: {error}", path.display()),
        };
        Err(invalid(
            cause,
            "name a PNG, JPEG, GIF or WebP file of about 10 KiB; paths are relative to this file's \
             folder",
        ))
    }
}

/// The keys of a vCard in a configuration file.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename = "VCard")]
#[derive(Default)]
pub(super) struct VCardTable {
    /// The full name.
    name: Option<String>,
    /// The nickname.
    nickname: Option<String>,
    /// The URL of a web page.
    url: Option<String>,
    /// The description.
    description: Option<String>,
    /// A PNG, JPEG, GIF or WebP file of about 10 KiB.
    #[cfg_attr(feature = "schema", schemars(with = "Option<FilePath>"))]
    photo: Option<PhotoFile>,
}

impl From<VCardTable> for VCard {
    fn from(table: VCardTable) -> Self {
        let mut card = Self::new();
        if let Some(name) = table.name {
            card = card.name(name);
        }
        if let Some(nickname) = table.nickname {
            card = card.nickname(nickname);
        }
        if let Some(url) = table.url {
            card = card.url(url);
        }
        if let Some(description) = table.description {
            card = card.description(description);
        }
        match table.photo {
            Some(photo) => card.photo_file(photo),
            None => card,
        }
    }
}

impl<'de> Deserialize<'de> for VCard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        VCardTable::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for VCard {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        VCardTable::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        VCardTable::json_schema(generator)
    }
}
