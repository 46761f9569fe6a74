//! The vCard of others (XEP-0054).

use jid::Jid;
use minidom::Element;
use xmpp_parsers::ns::VCARD;
use xmpp_parsers::vcard::{Photo as PhotoElement, VCardQuery};

use crate::client::{Client, IqError};

/// What somebody says about himself.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerVCard {
    element: Element,
}

/// A picture in a vCard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// Its media type, such as `image/png`, as its owner says.
    pub kind: String,
    /// The picture.
    pub bytes: Vec<u8>,
}

impl Client {
    /// The vCard of an account or a room.
    ///
    /// # Errors
    /// See [`IqError`]; somebody without one is refused with `item-not-found`, or has an empty one.
    pub async fn vcard(&self, to: impl Into<Jid>) -> Result<PeerVCard, IqError> {
        let element: Element = self.iq_get(to, &VCardQuery).await?;
        Ok(PeerVCard { element })
    }
}

impl PeerVCard {
    /// The full name.
    #[must_use]
    pub fn full_name(&self) -> Option<String> {
        self.text("FN")
    }

    /// The nickname.
    #[must_use]
    pub fn nickname(&self) -> Option<String> {
        self.text("NICKNAME")
    }

    /// The text of the first element with this name, such as `URL`, `BDAY` or `DESC`, or of a way
    /// to it, such as `ORG/ORGNAME`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let found = name.split('/').try_fold(&self.element, |element, name| {
            element.get_child(name, VCARD)
        })?;
        Some(found.text()).filter(|text| !text.is_empty())
    }

    /// The picture, when it is there and not only linked to.
    #[must_use]
    pub fn photo(&self) -> Option<Photo> {
        let photo = PhotoElement::try_from(self.element.get_child("PHOTO", VCARD)?.clone()).ok()?;
        Some(Photo {
            kind: photo.type_.data,
            bytes: photo.binval.data,
        })
    }

    /// The whole of it.
    #[must_use]
    pub fn element(&self) -> &Element {
        &self.element
    }
}
