//! Service discovery (XEP-0030): what an address says about itself.

use std::collections::BTreeSet;

use jid::Jid;
use xmpp_parsers::data_forms::DataForm;
use xmpp_parsers::disco::Item as ItemElement;
use xmpp_parsers::disco::{DiscoInfoResult, DiscoItemsResult, Identity};
use xmpp_parsers::rsm::SetResult;

use crate::stanza::{Children, WriteError};

/// Namespace of disco#info.
pub const INFO: &str = "http://jabber.org/protocol/disco#info";
/// Namespace of disco#items.
pub const ITEMS: &str = "http://jabber.org/protocol/disco#items";

/// What one address, or one of its nodes, is and can do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DiscoInfo {
    /// What it is. Sorted, each combination of category, type and language once (XEP-0030 §3.1).
    pub identities: Vec<Identity>,
    /// What it can do.
    pub features: BTreeSet<String>,
    /// More about it (XEP-0128).
    pub forms: Vec<DataForm>,
}

/// Another address, or a node of one, that an address points to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiscoItem {
    /// The address; `None` is the one that was asked.
    pub jid: Option<Jid>,
    /// The node.
    pub node: Option<String>,
    /// A name for people.
    pub name: Option<String>,
}

impl DiscoItem {
    /// What tells it from all other items of the same list.
    pub(crate) fn id(&self) -> String {
        let jid = self.jid.as_ref().map(Jid::as_str);
        let node = self.node.as_deref();
        // A node may be anything, and a JID has no line breaks.
        format!("{}\n{}", jid.unwrap_or_default(), node.unwrap_or_default())
            .trim()
            .to_owned()
    }
}

impl DiscoInfo {
    /// What says nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an identity, in place of one of the same category, type and language.
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

    /// The answer to disco#info.
    ///
    /// # Errors
    /// When some text holds a character that XML cannot carry.
    pub fn to_children(&self, node: Option<&str>) -> Result<Children, WriteError> {
        Children::of(&DiscoInfoResult {
            node: node.map(str::to_owned),
            identities: self.identities.clone(),
            features: self.features.clone(),
            extensions: self.forms.clone(),
        })
    }
}

/// The answer to disco#items that was asked of `address`.
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
