//! Service discovery information derived from the routes, so that no feature is declared twice.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jid::{BareJid, Jid, NodePart};
use xmpp_parsers::data_forms::DataForm;
use xmpp_parsers::disco::Identity;

use super::command_list::{CommandItem, CommandList};
use super::recipient::{Domain, LocalpartPattern, Resource};
use super::recipient_map::{Address, RecipientMap};
use super::{Inner, PayloadPattern, RecipientPattern, Router, Tier};
use crate::error::{BoxError, Condition};
use crate::layer::AccessLayer;
use crate::stanza::{Children, Kind};
use crate::xep::caps;
use crate::xep::disco::{self, DiscoInfo, DiscoItem};
use crate::xep::paging::{self, SetQuery};
use campanile_stanza::xml::CLIENT;

/// Maximum number of disco items in one page.
const PAGE: usize = 100;

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// Advertises an identity (XEP-0030). An address without one is `component/generic`. An
    /// identity added within [`at`](Router::at) replaces those of wider patterns.
    #[must_use]
    pub fn identity(self, identity: Identity) -> Self {
        self.advertise(AdvertKind::Identity(identity))
    }

    /// Advertises a feature. The namespaces of routes for IQ requests and messages, and the
    /// datatypes of JSON messages, are advertised automatically.
    #[must_use]
    pub fn feature(self, feature: impl Into<String>) -> Self {
        self.advertise(AdvertKind::Feature(feature.into()))
    }

    /// Advertises a form with extended information (XEP-0128).
    #[must_use]
    pub fn form(self, form: DataForm) -> Self {
        self.advertise(AdvertKind::Form(form))
    }

    /// Adds an item to the disco#items reply. The bare domain lists all routed localparts
    /// automatically.
    #[must_use]
    pub fn item(self, item: DiscoItem) -> Self {
        self.advertise(AdvertKind::Item(item))
    }

    /// Sets the disco#info reply for a node. If the information changes while the component runs,
    /// route a [`PayloadPattern`] with the node instead.
    #[must_use]
    pub fn node(self, node: impl Into<String>, info: DiscoInfo) -> Self {
        self.advertise(AdvertKind::Node(node.into(), info))
    }

    /// Sets the URI that identifies the software in presence.
    pub(crate) fn with_caps_node(self, node: &str) -> Self {
        self.advertise(AdvertKind::CapsNode(node.to_owned()))
    }

    /// Lists an ad-hoc command for users who may run it.
    pub(crate) fn offer(self, node: &str, name: &str, access: AccessLayer) -> Self {
        self.advertise(AdvertKind::Command(CommandItem {
            node: node.into(),
            name: name.into(),
            access,
        }))
    }

    /// Hides everything registered so far from disco. The routes themselves still work.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        let inner = self.edit();
        inner
            .entries
            .iter_mut()
            .for_each(|entry| entry.hidden = true);
        inner
            .adverts
            .iter_mut()
            .for_each(|advert| advert.hidden = true);
        self
    }

    /// Returns what the router advertises, by address and node.
    #[must_use]
    pub fn disco(&self) -> Advertised {
        Advertised::new(&self.inner)
    }

    fn advertise(mut self, kind: AdvertKind) -> Self {
        self.edit().adverts.push(Advert::new(kind));
        self
    }
}

/// Information to advertise at the addresses that match a pattern.
#[derive(Clone)]
pub(super) struct Advert {
    pub(super) recipient: RecipientPattern,
    kind: AdvertKind,
    hidden: bool,
}

#[derive(Clone)]
pub(super) enum AdvertKind {
    /// No information; only marks the address as existing.
    Address,
    Identity(Identity),
    Feature(String),
    Form(DataForm),
    Item(DiscoItem),
    Node(String, DiscoInfo),
    Command(CommandItem),
    /// The URI that identifies the software in presence.
    CapsNode(String),
}

impl Advert {
    pub(super) fn new(kind: AdvertKind) -> Self {
        Self {
            recipient: RecipientPattern::any(),
            kind,
            hidden: false,
        }
    }

    pub(super) fn hidden(self, hidden: bool) -> Self {
        Self { hidden, ..self }
    }

    fn caps_node(&self) -> Option<String> {
        match &self.kind {
            AdvertKind::CapsNode(node) => Some(node.clone()),
            _ => None,
        }
    }
}

impl<S> Inner<S> {
    /// Returns `true` if the router is not empty and everything in it is hidden.
    pub(super) fn is_hidden(&self) -> bool {
        let entries = self.entries.iter().map(|entry| entry.hidden);
        entries
            .chain(self.adverts.iter().map(|advert| advert.hidden))
            .reduce(|all, hidden| all && hidden)
            == Some(true)
    }
}

/// The service discovery information that a router advertises, derived from its routes.
#[derive(Debug, Clone)]
pub struct Advertised {
    domain: AddressInfo,
    places: RecipientMap<AddressInfo>,
    /// The localparts that the domain lists, with their display names.
    listed: BTreeMap<Box<str>, Option<String>>,
    caps_node: Option<String>,
}

/// The information about one address, with replies serialized in advance.
#[derive(Debug, Clone)]
struct AddressInfo {
    info: NodeInfo,
    nodes: BTreeMap<String, NodeInfo>,
    items: Vec<DiscoItem>,
    commands: CommandList,
}

#[derive(Debug, Clone)]
struct NodeInfo {
    info: DiscoInfo,
    /// `None` if it cannot be serialized; each request then returns the error.
    answer: Option<Children>,
}

impl Advertised {
    pub(super) fn new<S>(inner: &Inner<S>) -> Self {
        let entries = inner
            .entries
            .iter()
            .filter(|entry| entry.tier != Tier::Default);
        let entries = entries.map(|entry| (&entry.filter.recipient, entry.hidden));
        let adverts = inner
            .adverts
            .iter()
            .map(|advert| (&advert.recipient, advert.hidden));
        let addresses: BTreeSet<_> = entries.chain(adverts).collect();
        let mut listed = BTreeMap::new();
        for (pattern, _) in addresses.iter().filter(|(_, hidden)| !hidden) {
            let LocalpartPattern::Local(localpart) = &pattern.local else {
                continue;
            };
            let name: &mut Option<String> = listed.entry(localpart.clone()).or_default();
            if let Some(identity) = AddressInfo::own_identity(inner, pattern) {
                name.clone_from(&identity.name);
            }
        }
        let patterns: BTreeSet<_> = addresses.into_iter().map(|(pattern, _)| pattern).collect();
        Self {
            domain: AddressInfo::new(inner, &RecipientPattern::domain()),
            places: RecipientMap::new(
                patterns
                    .into_iter()
                    .map(|pattern| (pattern.clone(), AddressInfo::new(inner, pattern))),
            ),
            listed,
            caps_node: inner.adverts.iter().find_map(Advert::caps_node),
        }
    }

    /// Returns the disco#info of an address: the bare domain, or a localpart that something is
    /// registered for.
    #[must_use]
    pub fn info(&self, localpart: Option<&str>, node: Option<&str>) -> Option<&DiscoInfo> {
        self.page(Address::Localpart(localpart), node)
            .map(|page| &page.info)
    }

    /// Returns the items of an address.
    #[must_use]
    pub fn items(&self, address: &BareJid) -> Vec<DiscoItem> {
        self.items_of(&address.clone().into())
    }

    pub(crate) fn answer_info(
        &self,
        address: &Jid,
        node: Option<&str>,
        asker: &Jid,
    ) -> Result<Children, BoxError> {
        let commands = node.and_then(|node| {
            self.place(Address::Jid(address))?
                .commands
                .info(node, asker)
        });
        if let Some(info) = commands {
            return Ok(info?.to_children(node)?);
        }
        if let Some(info) = self.info_by_hash(address, node) {
            return Ok(info.to_children(node)?);
        }
        let page = self
            .page(Address::Jid(address), node)
            .ok_or(Condition::ItemNotFound)?;
        match &page.answer {
            Some(answer) => Ok(answer.clone()),
            None => Ok(page.info.to_children(node)?),
        }
    }

    /// Returns the disco#info of an address that is requested by the hash in its presence (XEP-0115
    /// §6.2).
    fn info_by_hash(&self, address: &Jid, node: Option<&str>) -> Option<&DiscoInfo> {
        let software = self.caps_node(address.domain().as_str());
        let node = node.filter(|node| node.starts_with(&*software))?;
        let info = &self.page(Address::Jid(address), None)?.info;
        (caps::hash_node(&software, info).as_deref() == Some(node)).then_some(info)
    }

    /// Returns the URI that identifies the software in the presence of this domain (XEP-0115).
    pub(crate) fn caps_node(&self, domain: &str) -> Cow<'_, str> {
        match &self.caps_node {
            Some(node) => node.into(),
            None => caps::default_node(domain).into(),
        }
    }

    pub(crate) fn answer_items(
        &self,
        address: &Jid,
        node: Option<&str>,
        asker: &Jid,
        query: Option<&SetQuery>,
    ) -> Result<Children, BoxError> {
        let commands = node.and_then(|node| {
            self.place(Address::Jid(address))?
                .commands
                .items(node, asker)
        });
        let items = match node {
            None => self.items_of(address),
            Some(_) if commands.is_some() => commands.unwrap_or_default(),
            // XEP-0030 §7: an unknown node is an error, a node without items is not.
            Some(_) if self.page(Address::Jid(address), node).is_some() => Vec::new(),
            Some(_) => return Err(Condition::ItemNotFound.into()),
        };
        let (items, set) = match query {
            Some(query) => {
                let page = paging::page(items, query, PAGE, DiscoItem::id)?;
                (page.items, Some(page.set))
            }
            None => (items, None),
        };
        Ok(disco::items_to_children(
            &address.to_bare().into(),
            node,
            items,
            set,
        )?)
    }

    fn items_of(&self, address: &Jid) -> Vec<DiscoItem> {
        let Some(place) = self.place(Address::Jid(address)) else {
            return Vec::new();
        };
        let domain = address.node().is_none();
        let listed = self
            .listed
            .iter()
            .filter(|_| domain)
            .filter_map(|(listed, name)| {
                let node = NodePart::new(listed).ok()?;
                let jid = BareJid::from_parts(Some(&node), address.domain());
                Some(DiscoItem {
                    jid: Some(jid.into()),
                    node: None,
                    name: name.clone(),
                })
            });
        listed.chain(place.items.iter().cloned()).collect()
    }

    fn page(&self, address: Address<'_>, node: Option<&str>) -> Option<&NodeInfo> {
        let place = self.place(address)?;
        node.map_or(Some(&place.info), |node| place.nodes.get(node))
    }

    fn place(&self, address: Address<'_>) -> Option<&AddressInfo> {
        let own = self.places.visit_local(address, &mut Some);
        own.or_else(|| address.localpart().is_none().then_some(&self.domain))
    }
}

impl AddressInfo {
    /// Collects everything registered for this address and for wider patterns that contain it.
    fn new<S>(inner: &Inner<S>, address: &RecipientPattern) -> Self {
        let mut info = DiscoInfo::new();
        let mut nodes = BTreeMap::new();
        let mut items = Vec::new();
        let mut commands = CommandList::default();
        let holds = |pattern: &RecipientPattern| address.is_within(pattern);
        let entries = inner.entries.iter();
        let visible = entries.filter(|entry| {
            !entry.hidden && entry.tier != Tier::Fallback && holds(&entry.filter.recipient)
        });
        let advertised = visible.filter_map(|entry| {
            let payload = entry.filter.payload.as_ref()?;
            // Every message has elements of `jabber:client`; and presence is not sent to a feature.
            let mut kinds = entry.filter.kinds.iter();
            let taken = kinds.any(|kind| kind.is_request() || matches!(kind, Kind::Message(_)));
            (taken && &*payload.namespace != CLIENT).then_some(payload)
        });
        info.features
            .extend(advertised.flat_map(PayloadPattern::features));
        let mut adverts: Vec<_> = inner
            .adverts
            .iter()
            .filter(|it| !it.hidden && holds(&it.recipient))
            .collect();
        // The widest first, so that more specific information replaces it.
        adverts.sort_by_key(|advert| narrowness(&advert.recipient));
        let mut identified = narrowness(&RecipientPattern::any());
        for advert in adverts {
            match &advert.kind {
                AdvertKind::Address | AdvertKind::CapsNode(_) => {}
                AdvertKind::Identity(identity) => {
                    let width = narrowness(&advert.recipient);
                    if width > std::mem::replace(&mut identified, width) {
                        info.identities.clear();
                    }
                    info.add_identity(identity.clone());
                }
                AdvertKind::Feature(feature) => drop(info.features.insert(feature.clone())),
                AdvertKind::Form(form) => info.forms.push(form.clone()),
                AdvertKind::Item(item) => items.push(item.clone()),
                AdvertKind::Command(command) => commands.add(command.clone()),
                AdvertKind::Node(node, info) => {
                    drop(nodes.insert(node.clone(), NodeInfo::new(info.clone(), Some(node))));
                }
            }
        }
        if info.identities.is_empty() {
            info.add_identity(Identity::new_anonymous::<_, _, String, String>(
                "component",
                "generic",
            ));
        }
        Self {
            info: NodeInfo::new(info, None),
            nodes,
            items,
            commands,
        }
    }

    fn own_identity<'a, S>(
        inner: &'a Inner<S>,
        address: &RecipientPattern,
    ) -> Option<&'a Identity> {
        inner
            .adverts
            .iter()
            .filter(|advert| !advert.hidden && advert.recipient == *address)
            .find_map(|advert| match &advert.kind {
                AdvertKind::Identity(identity) => Some(identity),
                _ => None,
            })
    }
}

impl NodeInfo {
    fn new(info: DiscoInfo, node: Option<&str>) -> Self {
        let answer = info.to_children(node);
        if let Err(error) = &answer {
            tracing::warn!(
                node,
                %error,
                "disco info failed to serialize; requests for it get an error"
            );
        }
        Self {
            info,
            answer: answer.ok(),
        }
    }
}

/// Returns a sort key that is greater for the more specific of two nested patterns.
fn narrowness(pattern: &RecipientPattern) -> (usize, usize, bool) {
    let local = match &pattern.local {
        LocalpartPattern::Any => 0,
        LocalpartPattern::Prefix(beginning) => 1 + beginning.len(),
        LocalpartPattern::Domain | LocalpartPattern::Local(_) => usize::MAX,
    };
    let resource = match &pattern.scope.resource {
        Resource::Any => 0,
        Resource::Present => 1,
        Resource::Exact(_) => 2,
    };
    (local, resource, pattern.scope.domain != Domain::Any)
}
