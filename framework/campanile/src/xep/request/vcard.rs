//! vCards of other entities (XEP-0054).

use jid::Jid;
use minidom::Element;
use xmpp_parsers::ns::VCARD;
use xmpp_parsers::vcard::{Photo as PhotoElement, VCardQuery};

use crate::client::{Client, IqError};

/// The vCard of an account or room.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerVCard {
    element: Element,
}

/// A picture in a vCard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// The media type as stated by its owner, such as `image/png`.
    pub kind: String,
    /// The image data.
    pub bytes: Vec<u8>,
}

impl Client {
    /// Requests the vCard of an account or room.
    ///
    /// # Errors
    /// See [`IqError`]. For an entity without a vCard, the server replies with `item-not-found` or
    /// an empty vCard.
    pub async fn vcard(&self, to: impl Into<Jid>) -> Result<PeerVCard, IqError> {
        let element: Element = self.iq_get(to, &VCardQuery).await?;
        Ok(PeerVCard { element })
    }
}

impl PeerVCard {
    /// Returns the text of the first element with this name, such as `FN` (the full name),
    /// `NICKNAME`, `URL`, `BDAY` or `DESC`, or at this path, such as `ORG/ORGNAME`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let found = name.split('/').try_fold(&self.element, |element, name| {
            element.get_child(name, VCARD)
        })?;
        Some(found.text()).filter(|text| !text.is_empty())
    }

    /// Returns the picture if it is embedded and not only linked.
    #[must_use]
    pub fn photo(&self) -> Option<Photo> {
        let photo = PhotoElement::try_from(self.element.get_child("PHOTO", VCARD)?.clone()).ok()?;
        Some(Photo {
            kind: photo.type_.data,
            bytes: photo.binval.data,
        })
    }

    /// Returns the whole vCard as XML.
    #[must_use]
    pub fn element(&self) -> &Element {
        &self.element
    }
}
