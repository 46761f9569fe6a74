//! The lookup table of all routes, built when the router is first called.

use std::collections::HashMap;

use jid::NodeRef;

use super::Tier;
use super::advertise::Advertised;
use super::chat_command::CommandIndex;
use super::filter::Filter;
use super::payload_index::{PayloadIndex, PayloadRoute, Precedence, best};
use super::recipient::RecipientPattern;
use super::recipient_map::{Address, RecipientMap};
use super::spawn::Call;
use crate::extract::body;
use crate::kinds::{KIND_COUNT, Kinds, kind_index};
use crate::stanza::{Kind, Stanza, is_annotation};

/// A route to be inserted into the table.
pub(super) struct Entry<'a> {
    pub(super) tier: Tier,
    pub(super) filter: &'a Filter,
    pub(super) rank: usize,
    pub(super) call: Call,
}

/// All routes by tier. Routes are tried first, then default handlers, then fallbacks.
#[derive(Debug)]
pub(super) struct RouteTable {
    routes: RecipientMap<RecipientRoutes>,
    defaults: RecipientMap<RecipientRoutes>,
    fallbacks: RecipientMap<RecipientRoutes>,
    /// `true` if some route for messages handles an annotation, such as a chat state.
    annotations: bool,
    advertised: Advertised,
}

/// The route that handles a stanza.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Route(&'a Call),
    /// A route for an annotation of a message, such as a chat state, while no route takes the
    /// body of the message.
    Annotation(&'a Call),
}

/// The routes to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Search {
    All,
    /// All but the routes for annotations of messages.
    Content,
    /// The routes for annotations of messages only.
    Annotations,
}

impl RouteTable {
    pub(super) fn new<'a>(
        entries: impl Iterator<Item = Entry<'a>>,
        addresses: impl Iterator<Item = &'a RecipientPattern>,
        advertised: Advertised,
    ) -> Self {
        let mut drafts: [HashMap<&RecipientPattern, Vec<Entry<'a>>>; 3] = Default::default();
        for address in addresses {
            drafts[0].entry(address).or_default();
        }
        let mut annotations = false;
        for entry in entries {
            annotations |= is_annotation_route(entry.filter);
            drafts[entry.tier as usize]
                .entry(&entry.filter.recipient)
                .or_default()
                .push(entry);
        }
        let groups = |draft: HashMap<&RecipientPattern, Vec<Entry<'a>>>| {
            RecipientMap::new(
                draft
                    .into_iter()
                    .map(|(pattern, entries)| (pattern.clone(), RecipientRoutes::new(&entries))),
            )
        };
        let [routes, defaults, fallbacks] = drafts.map(groups);
        Self {
            routes,
            defaults,
            fallbacks,
            annotations,
            advertised,
        }
    }

    pub(super) fn advertised(&self) -> &Advertised {
        &self.advertised
    }

    /// Returns the route that handles this stanza.
    ///
    /// The body of a message is never won by a route for an annotation, such as the chat state that
    /// most clients add to each message, if any other route matches.
    pub(super) fn find(&self, stanza: &Stanza) -> Option<Found<'_>> {
        let message = matches!(stanza.kind(), Kind::Message(_));
        if !(self.annotations && message && body(stanza).is_some()) {
            return self.search(stanza, Search::All).map(Found::Route);
        }
        let content = self.search(stanza, Search::Content).map(Found::Route);
        content.or_else(|| {
            self.search(stanza, Search::Annotations)
                .map(Found::Annotation)
        })
    }

    fn search(&self, stanza: &Stanza, search: Search) -> Option<&Call> {
        let to = Address::Jid(stanza.to()?);
        let ask = |group| RecipientRoutes::find(group, stanza, search);
        self.routes
            .visit(to, ask)
            .or_else(|| self.defaults.visit(to, ask).filter(|_| self.exists(stanza)))
            .or_else(|| self.fallbacks.visit(to, ask))
    }

    /// Returns `true` if an IQ request to this recipient could match with another element name in
    /// the same namespace.
    pub(super) fn knows(&self, stanza: &Stanza, namespace: &str) -> bool {
        let Some(to) = stanza.to().map(Address::Jid) else {
            return false;
        };
        let knows = |places: &RecipientMap<RecipientRoutes>| {
            places
                .visit(to, |group| group.knows(namespace).then_some(()))
                .is_some()
        };
        knows(&self.routes) || self.exists(stanza) && knows(&self.defaults)
    }

    /// Returns `true` if the recipient is the bare domain or a localpart that something is
    /// registered for.
    fn exists(&self, stanza: &Stanza) -> bool {
        let localpart = stanza.to().and_then(|to| to.node().map(NodeRef::as_str));
        localpart
            .is_none_or(|localpart| self.routes.lists(localpart) || self.fallbacks.lists(localpart))
    }
}

/// The routes for the same recipients, by kind and type.
#[derive(Debug, Default)]
struct RecipientRoutes {
    slots: [Option<Box<KindRoutes>>; KIND_COUNT],
    /// The namespaces of IQ routes.
    namespaces: Vec<Box<str>>,
}

/// The routes for the same recipients, kind and type.
#[derive(Debug, Default)]
struct KindRoutes {
    names: PayloadIndex,
    /// The routes for annotations of messages, such as chat states.
    annotations: PayloadIndex,
    commands: CommandIndex,
    any: Option<Call>,
}

impl RecipientRoutes {
    fn new(entries: &[Entry<'_>]) -> Self {
        let mut group = Self::default();
        for kind in Kinds::all() {
            let mut fitting: Vec<_> = entries
                .iter()
                .filter(|entry| entry.filter.kinds.contains(kind))
                .collect();
            // Overlaps were rejected at registration, so routes with equal conditions differ in
            // breadth.
            fitting.sort_by_key(|entry| entry.filter.kinds.breadth());
            if !fitting.is_empty() {
                group.slots[kind_index(kind)] = Some(Box::new(KindRoutes::new(&fitting)));
            }
        }
        let iq = entries
            .iter()
            .filter(|entry| entry.filter.kinds.iter().any(Kind::is_request));
        group.namespaces = iq
            .filter_map(|entry| Some(entry.filter.payload.as_ref()?.namespace.clone()))
            .collect();
        group
    }

    fn knows(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|known| **known == *namespace)
    }

    fn find(&self, stanza: &Stanza, search: Search) -> Option<&Call> {
        self.slots[kind_index(stanza.kind())]
            .as_deref()?
            .find(stanza, search)
    }
}

impl KindRoutes {
    /// Builds the entry from routes sorted by breadth, those for fewer types first.
    fn new(entries: &[&Entry<'_>]) -> Self {
        let mut names = Vec::new();
        let mut annotations = Vec::new();
        let mut commands = CommandIndex::default();
        let mut any = None;
        for Entry {
            filter, rank, call, ..
        } in entries
        {
            match (&filter.payload, &filter.command) {
                (Some(pattern), _) => {
                    let precedence = Precedence {
                        level: pattern.level(),
                        breadth: filter.kinds.breadth(),
                        rank: *rank,
                    };
                    let index = if is_annotation_route(filter) {
                        &mut annotations
                    } else {
                        &mut names
                    };
                    index.push((
                        pattern.clone(),
                        PayloadRoute {
                            precedence,
                            call: call.clone(),
                        },
                    ));
                }
                (None, Some(command)) => commands.add(command, call),
                (None, None) => drop(any.get_or_insert_with(|| call.clone())),
            }
        }
        Self {
            names: PayloadIndex::new(names),
            annotations: PayloadIndex::new(annotations),
            commands,
            any,
        }
    }

    fn find(&self, stanza: &Stanza, search: Search) -> Option<&Call> {
        if search == Search::Annotations {
            return named(&self.annotations, stanza);
        }
        let mut found = named(&self.names, stanza);
        if search == Search::All {
            found = found.or_else(|| named(&self.annotations, stanza));
        }
        found
            .or_else(|| self.commands.find(stanza))
            .or(self.any.as_ref())
    }
}

/// Returns the most specific route for a child of the stanza.
fn named<'a>(index: &'a PayloadIndex, stanza: &Stanza) -> Option<&'a Call> {
    if index.is_empty() {
        return None;
    }
    // An IQ request has one child. The children of a message are in no particular order, and
    // servers reorder them, so all of them are looked up.
    let asked = if stanza.kind().is_request() {
        1
    } else {
        stanza.children().len()
    };
    let children = stanza.children().iter().take(asked);
    children
        .map(|child| index.find(&child))
        .reduce(best)
        .flatten()
        .map(|named| &named.call)
}

/// Returns `true` for a route that handles annotations of messages and nothing else.
fn is_annotation_route(filter: &Filter) -> bool {
    let messages = || {
        filter
            .kinds
            .iter()
            .all(|kind| matches!(kind, Kind::Message(_)))
    };
    filter
        .payload
        .as_ref()
        .is_some_and(|payload| is_annotation(&payload.namespace, &payload.name) && messages())
}
