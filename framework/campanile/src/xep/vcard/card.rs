//! Who somebody is, for people (XEP-0054).

use std::fmt;

use sha1::{Digest, Sha1};
use xmpp_parsers::vcard::{Binval, Photo, Type};
use xso::{AsXml, FromXml};

/// Largest photo, in bytes. In base64 and with everything else it still fits into one stanza of any
/// server.
const LARGEST: usize = 256 * 1024;

/// Who somebody is, for people: what clients show of a contact (XEP-0054).
#[derive(Debug, Clone, Default, PartialEq, FromXml, AsXml)]
#[xml(namespace = "vcard-temp", name = "vCard")]
pub struct VCard {
    #[xml(extract(default, name = "FN", fields(text(type_ = String))))]
    name: Option<String>,
    #[xml(extract(default, name = "NICKNAME", fields(text(type_ = String))))]
    nickname: Option<String>,
    #[xml(extract(default, name = "URL", fields(text(type_ = String))))]
    url: Option<String>,
    #[xml(extract(default, name = "DESC", fields(text(type_ = String))))]
    description: Option<String>,
    #[xml(child(default))]
    photo: Option<Photo>,
}

impl VCard {
    /// A card that says nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the name that is used among friends.
    #[must_use]
    pub fn nickname(mut self, nickname: impl Into<String>) -> Self {
        self.nickname = Some(nickname.into());
        self
    }

    /// Sets a page about it.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Describes it.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the photo: the content of a PNG, JPEG, GIF or WebP file.
    ///
    /// # Errors
    /// When it is none of these, or larger than 256 KiB. Some 10 KiB serve best (XEP-0153 §4.1).
    pub fn photo(mut self, file: Vec<u8>) -> Result<Self, PhotoError> {
        if file.len() > LARGEST {
            return Err(PhotoError::TooLarge(file.len()));
        }
        let kind = media_type(&file).ok_or(PhotoError::Unknown)?;
        self.photo = Some(Photo {
            type_: Type {
                data: kind.to_owned(),
            },
            binval: Binval { data: file },
        });
        Ok(self)
    }

    /// The hash that tells whether a photo is known already (XEP-0153 §3).
    #[must_use]
    pub fn photo_hash(&self) -> Option<[u8; 20]> {
        self.photo
            .as_ref()
            .map(|photo| Sha1::digest(&photo.binval.data).into())
    }
}

/// By the first bytes, as browsers tell them apart.
fn media_type(file: &[u8]) -> Option<&'static str> {
    match file {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => None,
    }
}

/// Why a file cannot be the photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PhotoError {
    /// It has this many bytes.
    TooLarge(usize),
    /// It is no PNG, JPEG, GIF or WebP.
    Unknown,
}

impl fmt::Display for PhotoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(bytes) => write!(
                f,
                "a photo of {bytes} bytes is too large: {LARGEST} is the most"
            ),
            Self::Unknown => f.write_str("a photo is a PNG, JPEG, GIF or WebP file"),
        }
    }
}

impl std::error::Error for PhotoError {}
