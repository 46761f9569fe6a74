//! vCards (XEP-0054).

use std::fmt;

use sha1::{Digest, Sha1};
use xmpp_parsers::vcard::{Binval, Photo, Type};
use xso::{AsXml, FromXml};

/// Maximum size of a photo, in bytes. Encoded as base64, with the rest of the vCard, it still fits
/// into one stanza on any server.
const LARGEST: usize = 256 * 1024;

/// A vCard: the details that clients show about a contact (XEP-0054).
///
/// To be served by a [`VCardModule`](super::VCardModule).
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
    pub(super) photo: Option<Photo>,
}

impl VCard {
    /// Creates an empty vCard.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the full name (`FN`).
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the nickname (`NICKNAME`).
    #[must_use]
    pub fn nickname(mut self, nickname: impl Into<String>) -> Self {
        self.nickname = Some(nickname.into());
        self
    }

    /// Sets the URL of a web page (`URL`).
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Sets the description (`DESC`).
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the photo from the content of a PNG, JPEG, GIF or WebP file.
    ///
    /// About 10 KiB is a good size (XEP-0153 §4.1).
    ///
    /// # Errors
    /// If the file has another format, or is larger than 256 KiB.
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

    /// Returns the SHA-1 hash of the photo, by which clients recognize a photo they know (XEP-0153
    /// §3).
    #[must_use]
    pub(super) fn photo_hash(&self) -> Option<[u8; 20]> {
        self.photo
            .as_ref()
            .map(|photo| Sha1::digest(&photo.binval.data).into())
    }
}

/// Detects the media type from the first bytes, as browsers do.
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

/// An error about the photo of a vCard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PhotoError {
    /// The file is too large. Contains its size in bytes.
    TooLarge(usize),
    /// The file is not a PNG, JPEG, GIF or WebP image.
    Unknown,
}

impl fmt::Display for PhotoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(bytes) => write!(
                f,
                "photo too large: {bytes} bytes, the limit is {LARGEST} bytes"
            ),
            Self::Unknown => f.write_str("unsupported photo format: use PNG, JPEG, GIF or WebP"),
        }
    }
}

impl std::error::Error for PhotoError {}
