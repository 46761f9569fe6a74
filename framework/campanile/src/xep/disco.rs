//! Service discovery (XEP-0030): the identities, features and items of an address.

use std::collections::BTreeSet;

use jid::Jid;
use xmpp_parsers::data_forms::DataForm;
use xmpp_parsers::disco::Item as ItemElement;
use xmpp_parsers::disco::{DiscoInfoResult, DiscoItemsResult, Identity};
use xmpp_parsers::rsm::SetResult;

use crate::stanza::{Children, WriteError};

/// Namespace of disco#info.
pub(crate) const INFO: &str = "http://jabber.org/protocol/disco#info";
/// Namespace of disco#items.
pub(crate) const ITEMS: &str = "http://jabber.org/protocol/disco#items";

/// The identities, features and extended information of an address or of one of its nodes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DiscoInfo {
    /// Identities, sorted and unique by category, type and language (XEP-0030 §3.1).
    pub identities: Vec<Identity>,
    /// Features.
    pub features: BTreeSet<String>,
    /// Forms with extended information (XEP-0128).
    pub forms: Vec<DataForm>,
}

/// An item: another address, or a node of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiscoItem {
    /// The address; `None` stands for the address that was queried.
    pub jid: Option<Jid>,
    /// The node.
    pub node: Option<String>,
    /// A display name.
    pub name: Option<String>,
}

impl DiscoItem {
    /// Returns an id that is unique within one list of items.
    pub(crate) fn id(&self) -> String {
        let jid = self.jid.as_ref().map(Jid::as_str);
        let node = self.node.as_deref();
        // A node may contain any character, but a JID contains no line break, so the id is
        // unambiguous.
        format!("{}\n{}", jid.unwrap_or_default(), node.unwrap_or_default())
            .trim()
            .to_owned()
    }
}

impl DiscoInfo {
    /// Creates an empty value.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an identity. Replaces one of the same category, type and language.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.add_identity(identity);
        self
    }

    /// Adds a feature.
    #[must_use]
    pub fn feature(mut self, feature: impl Into<String>) -> Self {
        self.features.insert(feature.into());
        self
    }

    /// Adds a form.
    #[must_use]
    pub fn form(mut self, form: DataForm) -> Self {
        self.forms.push(form);
        self
    }

    pub(crate) fn add_identity(&mut self, identity: Identity) {
        fn key(identity: &Identity) -> (&str, &str, Option<&str>) {
            (
                &identity.category,
                &identity.type_,
                identity.lang.as_deref(),
            )
        }
        match self
            .identities
            .binary_search_by(|known| key(known).cmp(&key(&identity)))
        {
            Ok(at) => self.identities[at] = identity,
            Err(at) => self.identities.insert(at, identity),
        }
    }

    /// Serializes the disco#info reply.
    ///
    /// # Errors
    /// Returns an error if a text contains a character that is not allowed in XML.
    pub fn to_children(&self, node: Option<&str>) -> Result<Children, WriteError> {
        Children::of(&DiscoInfoResult {
            node: node.map(str::to_owned),
            identities: self.identities.clone(),
            features: self.features.clone(),
            extensions: self.forms.clone(),
        })
    }
}

/// Serializes the disco#items reply of `address`.
pub(crate) fn items_to_children(
    address: &Jid,
    node: Option<&str>,
    items: Vec<DiscoItem>,
    set: Option<SetResult>,
) -> Result<Children, WriteError> {
    let items = items.into_iter().map(|item| ItemElement {
        jid: item.jid.unwrap_or_else(|| address.clone()),
        node: item.node,
        name: item.name,
    });
    Children::of(&DiscoItemsResult {
        node: node.map(str::to_owned),
        items: items.collect(),
        rsm: set,
    })
}
