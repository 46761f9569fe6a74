//! A map from recipient patterns to values, searched from the most specific pattern to the least.

use std::collections::HashMap;

use jid::{Jid, NodeRef, ResourceRef};

use crate::address::is_same;

use super::recipient::{Domain, LocalpartPattern, RecipientPattern, Resource, Scope};

/// The address to look up. Its parts are parsed only if some pattern depends on them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Address<'a> {
    Jid(&'a Jid),
    /// A localpart, or the bare domain if `None`, in any domain.
    Localpart(Option<&'a str>),
}

impl Address<'_> {
    pub(super) fn localpart(&self) -> Option<&str> {
        match self {
            Self::Jid(jid) => jid.node().map(NodeRef::as_str),
            Self::Localpart(localpart) => *localpart,
        }
    }

    fn is_in(&self, domain: &str) -> bool {
        matches!(self, Self::Jid(jid) if is_same(jid.domain().as_str(), domain))
    }

    fn resource(&self) -> Option<&str> {
        match self {
            Self::Jid(jid) => jid.resource().map(ResourceRef::as_str),
            Self::Localpart(_) => None,
        }
    }
}

/// Values by recipient pattern.
#[derive(Debug, Clone)]
pub(super) struct RecipientMap<T> {
    any: LocalpartEntry<T>,
    /// `true` if any pattern is more specific than "any recipient".
    local: bool,
    domain: LocalpartEntry<T>,
    localparts: HashMap<Box<str>, LocalpartEntry<T>>,
    /// Sorted by length, longest first: the longest prefix is the most specific.
    prefixes: Vec<(Box<str>, LocalpartEntry<T>)>,
}

/// The values for one localpart pattern.
#[derive(Debug, Clone)]
struct LocalpartEntry<T> {
    /// Values with a condition on resource or domain, the most specific first.
    narrower: Vec<(Scope, T)>,
    whole: Option<T>,
}

impl<T> RecipientMap<T> {
    pub(super) fn new(things: impl IntoIterator<Item = (RecipientPattern, T)>) -> Self {
        let mut places = Self {
            any: LocalpartEntry::default(),
            local: false,
            domain: LocalpartEntry::default(),
            localparts: HashMap::new(),
            prefixes: Vec::new(),
        };
        for (pattern, thing) in things {
            places.local |= pattern.local != LocalpartPattern::Any;
            places.site(pattern.local).put(pattern.scope, thing);
        }
        places
            .prefixes
            .sort_by_key(|(beginning, _)| std::cmp::Reverse(beginning.len()));
        places
    }

    /// Calls `ask` with the value of each pattern that matches the address, the most specific
    /// first, and returns the first result.
    pub(super) fn visit<'a, R>(
        &'a self,
        address: Address<'_>,
        mut ask: impl FnMut(&'a T) -> Option<R>,
    ) -> Option<R> {
        // Most components have only routes for any recipient and should not pay for the rest.
        let found = if self.local {
            self.visit_local(address, &mut ask)
        } else {
            None
        };
        found.or_else(|| self.any.visit(address, &mut ask))
    }

    /// Returns `true` if a pattern names this localpart or a prefix of it.
    pub(super) fn lists(&self, localpart: &str) -> bool {
        self.localparts.contains_key(localpart)
            || self
                .prefixes
                .iter()
                .any(|(start, _)| localpart.starts_with(&**start))
    }

    /// Works like [`visit`](Self::visit), but ignores the value for any recipient.
    pub(super) fn visit_local<'a, R>(
        &'a self,
        address: Address<'_>,
        ask: &mut impl FnMut(&'a T) -> Option<R>,
    ) -> Option<R> {
        let Some(localpart) = address.localpart() else {
            return self.domain.visit(address, ask);
        };
        if !self.localparts.is_empty()
            && let Some(found) = self
                .localparts
                .get(localpart)
                .and_then(|site| site.visit(address, ask))
        {
            return Some(found);
        }
        let mut fitting = self
            .prefixes
            .iter()
            .filter(|(beginning, _)| localpart.starts_with(&**beginning));
        fitting.find_map(|(_, site)| site.visit(address, ask))
    }

    fn site(&mut self, shape: LocalpartPattern) -> &mut LocalpartEntry<T> {
        match shape {
            LocalpartPattern::Any => &mut self.any,
            LocalpartPattern::Domain => &mut self.domain,
            LocalpartPattern::Local(localpart) => self.localparts.entry(localpart).or_default(),
            LocalpartPattern::Prefix(beginning) => {
                let known = self
                    .prefixes
                    .iter()
                    .position(|(other, _)| *other == beginning);
                let at = known.unwrap_or_else(|| {
                    self.prefixes.push((beginning, LocalpartEntry::default()));
                    self.prefixes.len() - 1
                });
                &mut self.prefixes[at].1
            }
        }
    }
}

impl<T> LocalpartEntry<T> {
    fn put(&mut self, rest: Scope, thing: T) {
        if rest.is_empty() {
            self.whole = Some(thing);
            return;
        }
        let at = self.narrower.partition_point(|(other, _)| *other < rest);
        self.narrower.insert(at, (rest, thing));
    }

    fn visit<'a, R>(
        &'a self,
        address: Address<'_>,
        ask: &mut impl FnMut(&'a T) -> Option<R>,
    ) -> Option<R> {
        let mut narrower = self
            .narrower
            .iter()
            .filter(|(rest, _)| rest.matches(address));
        narrower
            .find_map(|(_, thing)| ask(thing))
            .or_else(|| self.whole.as_ref().and_then(ask))
    }
}

impl<T> Default for LocalpartEntry<T> {
    fn default() -> Self {
        Self {
            narrower: Vec::new(),
            whole: None,
        }
    }
}

impl Scope {
    fn matches(&self, address: Address<'_>) -> bool {
        let resource = match &self.resource {
            Resource::Exact(wanted) => address.resource() == Some(wanted),
            Resource::Present => address.resource().is_some(),
            Resource::Any => true,
        };
        let domain = match &self.domain {
            Domain::Exact(wanted) => address.is_in(wanted),
            Domain::Any => true,
        };
        resource && domain
    }
}
