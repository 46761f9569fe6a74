//! Routes by the names of payloads: one probe for a child, whatever the number of routes.

use super::filter::PayloadPattern;
use super::spawn::Call;
use crate::stanza::Child;

/// What decides between two routes that match the same stanza; the least wins.
///
/// Node before full name before namespace, then fewer types before more, then the one registered first. The last only
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
    pub(super) pattern: PayloadPattern,
    pub(super) precedence: Precedence,
    pub(super) call: Call,
}

/// A table of constant size. What is looked up comes from strangers, what is in it does not: a cheap hash will do.
#[derive(Debug, Default)]
pub(super) struct Names {
    buckets: Vec<Vec<Named>>,
    /// Whether some route asks for a namespace alone, so that a second probe is due.
    namespaces: bool,
}

impl Names {
    pub(super) fn new(routes: Vec<Named>) -> Self {
        if routes.is_empty() {
            return Self::default();
        }
        let mut names = Self {
            buckets: vec![Vec::new(); (routes.len() * 2).next_power_of_two()],
            namespaces: routes.iter().any(|named| named.pattern.name.is_empty()),
        };
        for named in routes {
            let bucket = names.bucket(&named.pattern.namespace, &named.pattern.name);
            names.buckets[bucket].push(named);
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
        let matching = bucket.iter().filter(|named| {
            *named.pattern.name == *name && *named.pattern.namespace == *namespace && named.pattern.node_matches(child)
        });
        matching.min_by_key(|named| named.precedence)
    }

    fn bucket(&self, namespace: &str, name: &str) -> usize {
        hash(namespace, name) & (self.buckets.len() - 1)
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
