//! An index of routes by payload name. The cost of a lookup does not depend on the number of
//! routes.

use std::collections::HashMap;

use super::filter::{Attribute, PayloadPattern};
use super::spawn::Call;
use crate::stanza::Child;

/// The order between two routes that match the same stanza; the lower value wins.
///
/// A node or datatype comes before a full name, a full name before a namespace, fewer types before
/// more, and earlier registration before later. The last criterion only decides between different
/// children of one message, where any fixed order will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Precedence {
    pub(super) level: u8,
    pub(super) breadth: u32,
    pub(super) rank: usize,
}

/// A route with a condition on the payload.
#[derive(Debug, Clone)]
pub(super) struct PayloadRoute {
    pub(super) precedence: Precedence,
    pub(super) call: Call,
}

/// A hash table of fixed size. Remote input is only looked up in it and never inserted, so a cheap
/// hash is safe.
#[derive(Debug, Default)]
pub(super) struct PayloadIndex {
    buckets: Vec<Vec<NameEntry>>,
    /// `true` if some route matches a whole namespace, which needs a second probe.
    namespaces: bool,
}

/// The routes for elements of one name.
#[derive(Debug)]
struct NameEntry {
    namespace: Box<str>,
    name: Box<str>,
    plain: Option<PayloadRoute>,
    /// Routes with a condition on an attribute, by attribute name and value. Looking up one of a
    /// thousand nodes costs no more than looking up one of two.
    by_attribute: Vec<(&'static str, HashMap<Box<str>, PayloadRoute>)>,
}

impl PayloadIndex {
    /// Builds the index. Of two routes with equal patterns, the first is kept.
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

    /// Returns the most specific route for one child.
    pub(super) fn find(&self, child: &Child<'_>) -> Option<&PayloadRoute> {
        let namespace = child.namespace();
        let full = self.probe(&namespace, child.name(), child);
        let wide = || self.probe(&namespace, "", child);
        // A namespace with a node is more specific than a full name without one.
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

/// Returns the route that takes precedence.
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

/// Names differ mostly at the end, so the hash reads their last bytes. The highest bits of the
/// product depend on all bits of the key, so they select the bucket.
fn hash(namespace: &str, name: &str) -> u64 {
    let lengths = (namespace.len() as u64) << 32 ^ name.len() as u64;
    let key =
        end(namespace.as_bytes()) ^ end(name.as_bytes()).rotate_left(23) ^ lengths.rotate_left(48);
    key.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Returns the last eight bytes, or all of them if there are fewer, in which case some count twice.
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

    /// Returns the average number of names that share a bucket, including the name itself.
    fn crowd(names: &[(String, String)]) -> usize {
        let bits = (names.len() * 2).next_power_of_two().trailing_zeros();
        let mut buckets = vec![0usize; 1 << bits];
        for (namespace, name) in names {
            buckets[usize::try_from(hash(namespace, name) >> (64 - bits)).unwrap()] += 1;
        }
        buckets.iter().map(|count| count * count).sum::<usize>() / names.len()
    }

    #[test]
    fn names_that_differ_at_the_end_use_different_buckets() {
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
