//! Routes by the names of payloads: one probe for a child, whatever the number of routes.

use std::collections::HashMap;

use super::filter::{Attribute, PayloadPattern};
use super::spawn::Call;
use crate::stanza::Child;

/// What decides between two routes that match the same stanza; the least wins.
///
/// Node or datatype before full name before namespace, then fewer types before more, then the one
/// registered first. The last only ever decides between different children of one message, where
/// any fixed order will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Precedence {
    pub(super) level: u8,
    pub(super) breadth: u32,
    pub(super) rank: usize,
}

/// A route that asks for a payload.
#[derive(Debug, Clone)]
pub(super) struct PayloadRoute {
    pub(super) precedence: Precedence,
    pub(super) call: Call,
}

/// A table of constant size. What is looked up comes from strangers, what is in it does not: a
/// cheap hash will do.
#[derive(Debug, Default)]
pub(super) struct PayloadIndex {
    buckets: Vec<Vec<NameEntry>>,
    /// Whether some route asks for a namespace alone, so that a second probe is due.
    namespaces: bool,
}

/// The routes for elements of one name.
#[derive(Debug)]
struct NameEntry {
    namespace: Box<str>,
    name: Box<str>,
    plain: Option<PayloadRoute>,
    /// Those that ask for an attribute as well, by its name and its value: a thousand nodes cost no
    /// more than one.
    by_attribute: Vec<(&'static str, HashMap<Box<str>, PayloadRoute>)>,
}

impl PayloadIndex {
    /// Of two routes that ask for the same, the first stays.
    pub(super) fn new(routes: Vec<(PayloadPattern, PayloadRoute)>) -> Self {
        if routes.is_empty() {
            return Self::default();
        }
        let mut names = Self {
            buckets: (0..(routes.len() * 2).next_power_of_two())
                .map(|_| Vec::new())
                .collect(),
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
    pub(super) fn find(&self, child: &Child<'_>) -> Option<&PayloadRoute> {
        let namespace = child.namespace();
        let full = self.probe(&namespace, child.name(), child);
        let wide = || self.probe(&namespace, "", child);
        // A namespace with a node is narrower than a full name without one.
        if self.namespaces {
            best(full, wide())
        } else {
            full
        }
    }

    fn probe(&self, namespace: &str, name: &str, child: &Child<'_>) -> Option<&PayloadRoute> {
        let bucket = &self.buckets[self.bucket(namespace, name)];
        bucket
            .iter()
            .find(|known| known.is(namespace, name))?
            .find(child)
    }

    fn name(&mut self, pattern: &PayloadPattern) -> &mut NameEntry {
        let bucket = self.bucket(&pattern.namespace, &pattern.name);
        let bucket = &mut self.buckets[bucket];
        let at = bucket
            .iter()
            .position(|known| known.is(&pattern.namespace, &pattern.name));
        let at = at.unwrap_or_else(|| {
            bucket.push(NameEntry::new(pattern));
            bucket.len() - 1
        });
        &mut bucket[at]
    }

    /// There are at least two buckets, and their number is a power of two.
    fn bucket(&self, namespace: &str, name: &str) -> usize {
        (hash(namespace, name) >> (64 - self.buckets.len().trailing_zeros())) as usize
    }
}

impl NameEntry {
    fn new(pattern: &PayloadPattern) -> Self {
        Self {
            namespace: pattern.namespace.clone(),
            name: pattern.name.clone(),
            plain: None,
            by_attribute: Vec::new(),
        }
    }

    fn is(&self, namespace: &str, name: &str) -> bool {
        *self.name == *name && *self.namespace == *namespace
    }

    fn put(&mut self, attribute: Option<Attribute>, named: PayloadRoute) {
        let Some(Attribute { name, value }) = attribute else {
            self.plain.get_or_insert(named);
            return;
        };
        let at = self
            .by_attribute
            .iter()
            .position(|(known, _)| *known == name);
        let at = at.unwrap_or_else(|| {
            self.by_attribute.push((name, HashMap::new()));
            self.by_attribute.len() - 1
        });
        self.by_attribute[at].1.entry(value).or_insert(named);
    }

    fn find(&self, child: &Child<'_>) -> Option<&PayloadRoute> {
        let mut narrower = None;
        for (name, values) in &self.by_attribute {
            let value = child.attribute(name);
            narrower = best(narrower, value.and_then(|value| values.get(&*value)));
        }
        narrower.or(self.plain.as_ref())
    }
}

/// The one that comes first.
pub(super) fn best<'a>(
    one: Option<&'a PayloadRoute>,
    other: Option<&'a PayloadRoute>,
) -> Option<&'a PayloadRoute> {
    match (one, other) {
        (Some(one), Some(other)) if other.precedence < one.precedence => Some(other),
        (None, other) => other,
        (one, _) => one,
    }
}

/// Names differ at their ends. Of the product, the highest bits depend on all bits of the key, and
/// the lowest on few: it is the highest that choose a bucket.
fn hash(namespace: &str, name: &str) -> u64 {
    let lengths = (namespace.len() as u64) << 32 ^ name.len() as u64;
    let key =
        end(namespace.as_bytes()) ^ end(name.as_bytes()).rotate_left(23) ^ lengths.rotate_left(48);
    key.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The last eight bytes, or all when there are fewer; some then count twice.
fn end(bytes: &[u8]) -> u64 {
    if let Some(last) = bytes.last_chunk() {
        return u64::from_le_bytes(*last);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last));
    }
    let at = |index: usize| u64::from(bytes.get(index).copied().unwrap_or_default());
    at(0) << 16 | at(1) << 8 | at(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many names share a bucket with a name, itself included, on average.
    fn crowd(names: &[(String, String)]) -> usize {
        let bits = (names.len() * 2).next_power_of_two().trailing_zeros();
        let mut buckets = vec![0usize; 1 << bits];
        for (namespace, name) in names {
            buckets[usize::try_from(hash(namespace, name) >> (64 - bits)).unwrap()] += 1;
        }
        buckets.iter().map(|count| count * count).sum::<usize>() / names.len()
    }

    #[test]
    fn names_that_differ_at_their_ends_fall_apart() {
        let thousand =
            |name: &dyn Fn(usize) -> (String, String)| -> Vec<_> { (0..1000).map(name).collect() };
        let families = [
            thousand(&|n| (format!("urn:example:service:{n}"), "query".to_owned())),
            thousand(&|n| (format!("urn:xmpp:thing{n}:0"), "x".to_owned())),
            thousand(&|n| {
                (
                    format!("urn:example:{}:{}", n / 30, n % 30),
                    format!("item{}", n % 7),
                )
            }),
            thousand(&|n| ("urn:example:one".to_owned(), format!("n{n}"))),
            thousand(&|n| ("urn:example:one".to_owned(), format!("a-long-name-{n}"))),
            thousand(&|n| (format!("u:{n}"), "q".to_owned())),
        ];
        for names in families {
            assert!(crowd(&names) <= 2, "{}: {:?}", crowd(&names), names[0]);
            assert!(
                crowd(&names[..10]) <= 2,
                "{}: {:?}",
                crowd(&names[..10]),
                names[0]
            );
        }
    }
}
