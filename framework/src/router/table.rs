//! All routes, arranged for looking up. Made once, when the router is first called.

use std::collections::HashMap;

use super::Tier;
use super::advertise::Advertised;
use super::filter::{Filter, SLOTS, slot};
use super::names::{Named, Names, Precedence, best};
use super::recipient::Shape;
use super::spawn::Call;
use crate::stanza::{Children, Kind, Stanza};

/// One route on its way into the table.
pub(super) struct Entry<'a> {
    pub(super) tier: Tier,
    pub(super) filter: &'a Filter,
    pub(super) rank: usize,
    pub(super) call: Call,
}

/// Routes first, then the stock duties, then the fallbacks.
#[derive(Debug)]
pub(super) struct Table {
    routes: Addresses,
    duties: Addresses,
    fallbacks: Addresses,
    advertised: Advertised,
}

impl Table {
    pub(super) fn new<'a>(
        entries: impl Iterator<Item = Entry<'a>>,
        homes: impl Iterator<Item = &'a Shape>,
        advertised: Advertised,
    ) -> Self {
        let mut drafts: [HashMap<&Shape, Vec<Entry<'a>>>; 3] = Default::default();
        for home in homes {
            drafts[0].entry(home).or_default();
        }
        for entry in entries {
            drafts[entry.tier as usize].entry(&entry.filter.recipient.0).or_default().push(entry);
        }
        let [routes, duties, fallbacks] = drafts.map(Addresses::new);
        Self { routes, duties, fallbacks, advertised }
    }

    pub(super) fn advertised(&self) -> &Advertised {
        &self.advertised
    }

    /// The one route for this stanza.
    pub(super) fn find(&self, stanza: &Stanza) -> Option<&Call> {
        self.routes
            .find(stanza)
            .or_else(|| self.duties.find(stanza).filter(|_| self.exists(stanza)))
            .or_else(|| self.fallbacks.find(stanza))
    }

    /// Whether an IQ request to this address would be taken, had its payload another name.
    pub(super) fn knows(&self, stanza: &Stanza, namespace: &str) -> bool {
        self.routes.knows(stanza, namespace) || self.exists(stanza) && self.duties.knows(stanza, namespace)
    }

    /// Whether somebody is at home: the domain itself, and each localpart that something was registered for.
    fn exists(&self, stanza: &Stanza) -> bool {
        localpart(stanza).is_none_or(|localpart| self.routes.lists(localpart) || self.fallbacks.lists(localpart))
    }
}

/// Routes by recipient.
#[derive(Debug, Default)]
struct Addresses {
    any: Group,
    domain: Option<Group>,
    localparts: HashMap<Box<str>, Group>,
    /// The longest first, which is the narrowest.
    prefixes: Vec<(Box<str>, Group)>,
}

impl Addresses {
    fn new(drafts: HashMap<&Shape, Vec<Entry<'_>>>) -> Self {
        let mut addresses = Self::default();
        for (shape, entries) in drafts {
            let group = Group::new(&entries);
            match shape {
                Shape::Any => addresses.any = group,
                Shape::Domain => addresses.domain = Some(group),
                Shape::Local(localpart) => drop(addresses.localparts.insert(localpart.clone(), group)),
                Shape::Prefix(beginning) => addresses.prefixes.push((beginning.clone(), group)),
            }
        }
        addresses.prefixes.sort_by_key(|(beginning, _)| std::cmp::Reverse(beginning.len()));
        addresses
    }

    fn find(&self, stanza: &Stanza) -> Option<&Call> {
        self.visit(stanza, |group| group.find(stanza))
    }

    fn knows(&self, stanza: &Stanza, namespace: &str) -> bool {
        self.visit(stanza, |group| group.namespaces.iter().any(|known| **known == *namespace).then_some(())).is_some()
    }

    fn lists(&self, localpart: &str) -> bool {
        self.localparts.contains_key(localpart)
            || self.prefixes.iter().any(|(start, _)| localpart.starts_with(&**start))
    }

    /// Asks the groups that are responsible for the recipient, the narrowest first.
    fn visit<'a, T>(&'a self, stanza: &Stanza, mut ask: impl FnMut(&'a Group) -> Option<T>) -> Option<T> {
        // Most components have nothing but routes for any recipient: they pay for nothing else.
        let narrow = self.domain.is_some() || !self.localparts.is_empty() || !self.prefixes.is_empty();
        if narrow && let Some(found) = self.visit_narrow(localpart(stanza), &mut ask) {
            return Some(found);
        }
        ask(&self.any)
    }

    fn visit_narrow<'a, T>(
        &'a self,
        localpart: Option<&str>,
        ask: &mut impl FnMut(&'a Group) -> Option<T>,
    ) -> Option<T> {
        let Some(localpart) = localpart else { return self.domain.as_ref().and_then(ask) };
        if let Some(found) = self.localparts.get(localpart).and_then(&mut *ask) {
            return Some(found);
        }
        let mut fitting = self.prefixes.iter().filter(|(beginning, _)| localpart.starts_with(&**beginning));
        fitting.find_map(|(_, group)| ask(group))
    }
}

/// Routes for the same recipients, by kind and type.
#[derive(Debug, Default)]
struct Group {
    slots: [Option<Box<Slot>>; SLOTS],
    /// The namespaces of IQ routes.
    namespaces: Vec<Box<str>>,
}

/// Routes for the same recipients, kind and type.
#[derive(Debug, Default)]
struct Slot {
    names: Names,
    any: Option<Call>,
}

impl Group {
    fn new(entries: &[Entry<'_>]) -> Self {
        let mut group = Self::default();
        for kind in Filter::any().kinds.iter() {
            let mut fitting: Vec<_> = entries.iter().filter(|entry| entry.filter.kinds.contains(kind)).collect();
            // Overlap was refused before, so no two that ask for the same are equally broad.
            fitting.sort_by_key(|entry| entry.filter.kinds.breadth());
            if !fitting.is_empty() {
                group.slots[slot(kind)] = Some(Box::new(Slot::new(&fitting)));
            }
        }
        let iq = entries.iter().filter(|entry| entry.filter.kinds.iter().any(Kind::is_request));
        group.namespaces = iq.filter_map(|entry| Some(entry.filter.payload.as_ref()?.namespace.clone())).collect();
        group
    }

    fn find(&self, stanza: &Stanza) -> Option<&Call> {
        self.slots[slot(stanza.kind)].as_deref()?.find(stanza.children(), stanza.kind.is_request())
    }
}

impl Slot {
    fn new(entries: &[&Entry<'_>]) -> Self {
        let any = entries.iter().find(|entry| entry.filter.payload.is_none()).map(|entry| entry.call.clone());
        let named = entries.iter().filter_map(|entry| {
            let pattern = entry.filter.payload.clone()?;
            let breadth = entry.filter.kinds.breadth();
            let precedence = Precedence { level: pattern.level(), breadth, rank: entry.rank };
            Some(Named { pattern, precedence, call: entry.call.clone() })
        });
        Self { names: Names::new(named.collect()), any }
    }

    fn find(&self, children: &Children, request: bool) -> Option<&Call> {
        if self.names.is_empty() {
            return self.any.as_ref();
        }
        // An IQ request has one child. Those of a message come in any order, and servers change it: all are asked.
        let asked = if request { 1 } else { children.len() };
        let named = children.iter().take(asked).map(|child| self.names.find(&child)).reduce(best).flatten();
        named.map(|named| &named.call).or(self.any.as_ref())
    }
}

fn localpart(stanza: &Stanza) -> Option<&str> {
    stanza.to()?.node().map(jid::NodeRef::as_str)
}
