//! Routes by the names of payloads: one probe for a child, whatever the number of routes.

use std::collections::HashMap;

use super::filter::{Attribute, PayloadPattern};
use super::spawn::Call;
use crate::stanza::Child;

/// What decides between two routes that match the same stanza; the least wins.
///
/// Node or datatype before full name before namespace, then fewer types before more, then the one registered first. The last only
/// ever decides between different children of one message, where any fixed order will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Precedence {
    pub(super) level: u8,
    pub(super) breadth: u32,
    pub(super) rank: usize,
}

/// A route that asks for a payload.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) precedence: Precedence,
    pub(super) call: Call,
}

/// A table of constant size. What is looked up comes from strangers, what is in it does not: a cheap hash will do.
#[derive(Debug, Default)]
pub(super) struct Names {
    buckets: Vec<Vec<Name>>,
    /// Whether some route asks for a namespace alone, so that a second probe is due.
    namespaces: bool,
}

/// The routes for elements of one name.
#[derive(Debug)]
struct Name {
    namespace: Box<str>,
    name: Box<str>,
    plain: Option<Named>,
    /// Those that ask for an attribute as well, by its name and its value: a thousand nodes cost no more than one.
    by_attribute: Vec<(&'static str, HashMap<Box<str>, Named>)>,
}

impl Names {
    /// Of two routes that ask for the same, the first stays.
    pub(super) fn new(routes: Vec<(PayloadPattern, Named)>) -> Self {
        if routes.is_empty() {
            return Self::default();
        }
        let mut names = Self {
            buckets: (0..(routes.len() * 2).next_power_of_two()).map(|_| Vec::new()).collect(),
            namespaces: routes.iter().any(|(pattern, _)| pattern.name.is_empty()),
        };
        for (pattern, named) in routes {
            names.name(&pattern).put(pattern.attribute, named);
        }
        names
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The best route for one child.
    pub(super) fn find(&self, child: &Child<'_>) -> Option<&Named> {
        let namespace = child.namespace();
        let full = self.probe(&namespace, child.name(), child);
        let wide = || self.probe(&namespace, "", child);
        // A namespace with a node is narrower than a full name without one.
        if self.namespaces { best(full, wide()) } else { full }
    }

    fn probe(&self, namespace: &str, name: &str, child: &Child<'_>) -> Option<&Named> {
        let bucket = &self.buckets[self.bucket(namespace, name)];
        bucket.iter().find(|known| known.is(namespace, name))?.find(child)
    }

    fn name(&mut self, pattern: &PayloadPattern) -> &mut Name {
        let bucket = self.bucket(&pattern.namespace, &pattern.name);
        let bucket = &mut self.buckets[bucket];
        let at = bucket.iter().position(|known| known.is(&pattern.namespace, &pattern.name));
        let at = at.unwrap_or_else(|| {
            bucket.push(Name::new(pattern));
            bucket.len() - 1
        });
        &mut bucket[at]
    }

    fn bucket(&self, namespace: &str, name: &str) -> usize {
        hash(namespace, name) & (self.buckets.len() - 1)
    }
}

impl Name {
    fn new(pattern: &PayloadPattern) -> Self {
        Self { namespace: pattern.namespace.clone(), name: pattern.name.clone(), plain: None, by_attribute: Vec::new() }
    }

    fn is(&self, namespace: &str, name: &str) -> bool {
        *self.name == *name && *self.namespace == *namespace
    }

    fn put(&mut self, attribute: Option<Attribute>, named: Named) {
        let Some(Attribute { name, value }) = attribute else {
            self.plain.get_or_insert(named);
            return;
        };
        let at = self.by_attribute.iter().position(|(known, _)| *known == name);
        let at = at.unwrap_or_else(|| {
            self.by_attribute.push((name, HashMap::new()));
            self.by_attribute.len() - 1
        });
        self.by_attribute[at].1.entry(value).or_insert(named);
    }

    fn find(&self, child: &Child<'_>) -> Option<&Named> {
        let mut narrower = None;
        for (name, values) in &self.by_attribute {
            let value = child.attribute(name);
            narrower = best(narrower, value.and_then(|value| values.get(&*value)));
        }
        narrower.or(self.plain.as_ref())
    }
}

/// The one that comes first.
pub(super) fn best<'a>(one: Option<&'a Named>, other: Option<&'a Named>) -> Option<&'a Named> {
    match (one, other) {
        (Some(one), Some(other)) if other.precedence < one.precedence => Some(other),
        (None, other) => other,
        (one, _) => one,
    }
}

/// Namespaces differ at their end, names at their beginning.
fn hash(namespace: &str, name: &str) -> usize {
    let end = namespace.as_bytes().last_chunk().map_or(0, |end| u64::from_le_bytes(*end));
    let beginning = match name.as_bytes().first_chunk::<4>() {
        Some(four) => u32::from_le_bytes(*four),
        None => u32::from(name.as_bytes().first().copied().unwrap_or_default()),
    };
    let lengths = (namespace.len() as u64) << 40 ^ (name.len() as u64) << 32 ^ u64::from(beginning);
    let mixed = (end ^ lengths.rotate_left(17)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) as usize
}
